//! What a model takes, from its name: the protocol has no other way to tell.

/// A generation of models, by what its requests look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// Up to 2.0: schemas in the OpenAPI subset alone, no control of thinking.
    Early,
    /// 2.5: JSON Schema, thinking in tokens.
    Budget,
    /// 3 and later: thinking in levels, signatures of calls demanded.
    Level,
    /// No name that says: as the newest, in words that 2.5 takes too.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) generation: Generation,
    size: Size,
    /// 3.0 itself: its bigger model knows two levels only.
    is_first_of_three: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Pro,
    Flash,
    FlashLite,
}

impl Model {
    pub(super) fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or_default();
        let size = if name.contains("flash-lite") {
            Size::FlashLite
        } else if name.contains("flash") {
            Size::Flash
        } else {
            Size::Pro
        };
        let version = name.strip_prefix("gemini-").unwrap_or_default();
        let version = version.split('-').next().unwrap_or_default();
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        let generation = match (major.parse::<u32>(), minor.parse::<u32>()) {
            (Ok(0..2), _) | (Ok(2), Ok(0..5)) => Generation::Early,
            (Ok(2), _) => Generation::Budget,
            (Ok(_), _) => Generation::Level,
            (Err(_), _) if matches!(name, "gemini-pro" | "gemini-pro-vision") => Generation::Early,
            (Err(_), _) => Generation::Unknown,
        };
        Self { generation, size, is_first_of_three: major == "3" && minor == "0" }
    }

    pub(super) fn takes_json_schema(self) -> bool {
        self.generation != Generation::Early
    }

    /// Whether a call in the running turn is refused without a signature.
    pub(super) fn demands_signatures(self) -> bool {
        matches!(self.generation, Generation::Level | Generation::Unknown)
    }

    /// Whether an answer can be held to a schema while there are tools.
    pub(super) fn combines_tools_and_schema(self) -> bool {
        matches!(self.generation, Generation::Level | Generation::Unknown)
    }

    /// The nearest number of tokens to think with, where none may be 0.
    pub(super) fn budget(self, wanted: u64) -> u64 {
        match (self.size, wanted) {
            (Size::Pro, _) if self.generation == Generation::Unknown => wanted.min(32_768),
            (Size::Pro, _) => wanted.clamp(128, 32_768),
            (_, 0) => 0,
            (Size::Flash, _) => wanted.min(24_576),
            (Size::FlashLite, _) => wanted.clamp(512, 24_576),
        }
    }

    pub(super) fn has_level(self, level: &str) -> bool {
        match self.size {
            Size::Pro if self.is_first_of_three => matches!(level, "LOW" | "HIGH"),
            Size::Pro => level != "MINIMAL",
            Size::Flash | Size::FlashLite => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (name, generation) in [
            ("gemini-1.5-pro-002", Generation::Early),
            ("gemini-2.0-flash", Generation::Early),
            ("gemini-pro", Generation::Early),
            ("models/gemini-2.5-flash-lite", Generation::Budget),
            ("gemini-3-pro-preview", Generation::Level),
            ("gemini-3.5-flash", Generation::Level),
            ("gemini-12", Generation::Level),
            ("gemini-flash-latest", Generation::Unknown),
            ("tunedModels/mine-123", Generation::Unknown),
            ("", Generation::Unknown),
        ] {
            assert_eq!(Model::of(name).generation, generation, "{name}");
        }
    }

    #[test]
    fn thinking_is_brought_into_what_a_model_takes() {
        assert_eq!(Model::of("gemini-2.5-pro").budget(0), 128);
        assert_eq!(Model::of("gemini-2.5-flash").budget(0), 0);
        assert_eq!(Model::of("gemini-2.5-flash").budget(99_999), 24_576);
        assert_eq!(Model::of("gemini-2.5-flash-lite").budget(1), 512);
        assert!(!Model::of("gemini-3-pro-preview").has_level("MEDIUM"));
        assert!(Model::of("gemini-3.1-pro-preview").has_level("MEDIUM"));
        assert!(!Model::of("gemini-3.1-pro-preview").has_level("MINIMAL"));
        assert!(Model::of("gemini-3-flash-preview").has_level("MINIMAL"));
    }
}
