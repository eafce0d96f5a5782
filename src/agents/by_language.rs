//! What there is once per language, and enums whose variants are keys in the lexicon files.

use std::fmt::Display;
use std::sync::OnceLock;

use dovvybuddy_core::Lang;

/// The compiled-in file of a language: those of a folder are named by the language's code. Where there is another ending
/// than `.toml`, English has no file, and what stands for it follows.
macro_rules! file_of {
    ($lang:expr, $folder:literal) => {
        file_of!($lang, $folder, ".toml", include_str!(concat!($folder, "en.toml")))
    };
    ($lang:expr, $folder:literal, $ending:literal, $english:expr) => {
        match $lang {
            Lang::En => $english,
            Lang::Es => include_str!(concat!($folder, "es", $ending)),
            Lang::De => include_str!(concat!($folder, "de", $ending)),
            Lang::Fr => include_str!(concat!($folder, "fr", $ending)),
            Lang::Pt => include_str!(concat!($folder, "pt", $ending)),
            Lang::It => include_str!(concat!($folder, "it", $ending)),
            Lang::Id => include_str!(concat!($folder, "id", $ending)),
            Lang::Ja => include_str!(concat!($folder, "ja", $ending)),
            Lang::Th => include_str!(concat!($folder, "th", $ending)),
            Lang::Ar => include_str!(concat!($folder, "ar", $ending)),
            Lang::Zh => include_str!(concat!($folder, "zh", $ending)),
        }
    };
}

/// An enum whose variants stand in files under a key.
macro_rules! keyed {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $key:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, in their order.
            $vis const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key in the files.
            $vis const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// The one with this key.
            $vis fn from_key(key: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.key() == key)
            }
        }
    };
}

pub(crate) use {file_of, keyed};

/// A value for each language, made at first use and then shared.
#[derive(Debug)]
pub(crate) struct ByLanguage<T> {
    slots: [OnceLock<T>; Lang::ALL.len()],
    /// For a language that is in no list; there is none.
    spare: OnceLock<T>,
}

impl<T> ByLanguage<T> {
    /// Nothing is made yet.
    pub(crate) const fn new() -> Self {
        Self { slots: [const { OnceLock::new() }; Lang::ALL.len()], spare: OnceLock::new() }
    }

    /// The value of a language.
    pub(crate) fn get(&self, lang: Lang, make: impl FnOnce() -> T) -> &T {
        let at = Lang::ALL.iter().position(|known| *known == lang);
        at.and_then(|at| self.slots.get(at)).unwrap_or(&self.spare).get_or_init(make)
    }
}

impl<T> ByLanguage<Option<T>> {
    /// What `load` reads from a file that is compiled in and read by a test, so that it can't fail in a released build;
    /// were it to, `what` is logged as unreadable and there is nothing.
    pub(crate) fn load<E: Display>(
        &self,
        lang: Lang,
        what: &str,
        load: impl FnOnce(Lang) -> Result<T, E>,
    ) -> Option<&T> {
        let read = || {
            let loaded = load(lang);
            if let Err(error) = &loaded {
                tracing::error!(%error, lang = lang.code(), "the compiled-in {what} can't be read");
            }
            loaded.ok()
        };
        self.get(lang, read).as_ref()
    }
}
