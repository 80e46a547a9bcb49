//! The registry of conversation formats: the one place that lists them all.

use crate::Protocol;
use crate::endpoint::Operation;
use crate::{anthropic, gemini, openai};

use super::Codec;

macro_rules! formats {
    ($($(#[$attribute:meta])* $format:ident => $codec:path;)*) => {
        /// A shape in which a conversation with a model can be held.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Format {
            $($(#[$attribute])* $format,)*
        }

        impl Format {
            pub const ALL: [Self; [$($(#[$attribute])* (),)*].len()] = [$($(#[$attribute])* Self::$format,)*];

            pub(crate) const fn codec(self) -> &'static dyn Codec {
                match self {
                    $($(#[$attribute])* Self::$format => &$codec,)*
                }
            }
        }
    };
}

formats! {
    Chat => openai::chat::Chat;
    Responses => openai::responses::Responses;
    Messages => anthropic::messages::Messages;
    Generate => gemini::generate::Generate;
    #[cfg(test)] Talk => crate::example::talk::Talk;
}

impl Format {
    /// What an operation speaks; `None` when it is no conversation.
    pub fn of(operation: Operation) -> Option<Self> {
        Self::ALL.into_iter().find(|format| [false, true].map(|stream| format.operation(stream)).contains(&operation))
    }

    pub fn protocol(self) -> Protocol {
        self.codec().protocol()
    }

    /// The operation at an upstream, for metering and errors.
    pub fn operation(self, stream: bool) -> Operation {
        self.codec().operation(stream)
    }

    /// The version prefix of its path, where a provider's base URL does not replace it.
    pub fn version_prefix(self) -> &'static str {
        self.codec().version_prefix()
    }

    /// In words, for people.
    pub fn as_str(self) -> &'static str {
        self.codec().name()
    }
}
