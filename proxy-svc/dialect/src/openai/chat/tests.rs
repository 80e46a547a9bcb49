//! What holds for the codec as a whole.
