//! The registry of the protocols: the one place that lists them all.

use std::fmt;

use crate::dialect::Dialect;
use crate::{anthropic, gemini, openai};

macro_rules! protocols {
    ($($(#[$attribute:meta])* $protocol:ident $name:literal => $dialect:path;)*) => {
        /// A wire protocol that callers speak and upstreams understand.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Protocol {
            $($(#[$attribute])* $protocol,)*
        }

        impl Protocol {
            /// In the order in which a path that several of them have is given to a caller that names none.
            pub const ALL: [Self; [$($(#[$attribute])* (),)*].len()] = [$($(#[$attribute])* Self::$protocol,)*];

            /// The name in configuration, metrics and usage events.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(#[$attribute])* Self::$protocol => $name,)*
                }
            }

            pub(crate) const fn dialect(self) -> &'static dyn Dialect {
                match self {
                    $($(#[$attribute])* Self::$protocol => &$dialect,)*
                }
            }
        }
    };
}

protocols! {
    OpenAi "openai" => openai::OpenAi;
    Anthropic "anthropic" => anthropic::Anthropic;
    Gemini "gemini" => gemini::Gemini;
    #[cfg(test)] Example "example" => crate::example::Example;
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
