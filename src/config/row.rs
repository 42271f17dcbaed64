//! What a row of the option table says.
//!
//! Owns the row's type, and what becomes of a value by the option's fate. Must not know which options there are.

use super::Config;
use super::format::Check;

/// An option.
pub struct Row {
    /// As files, flags and CONFIG know it.
    pub name: &'static str,
    /// An older name.
    pub alias: Option<&'static str>,
    /// What it takes, for a reader: `yes|no`, `seconds`, `bytes`. Empty where nothing is served.
    pub values: &'static str,
    /// The default, as CONFIG GET prints it.
    pub default: &'static str,
    /// Whether CONFIG SET may change it.
    pub change: Change,
    /// Takes several values.
    pub several: bool,
    /// Given again in a file, it adds to what was there. (Only Redis's `save`.)
    pub accumulates: bool,
    /// What it does, and why the default is what it is; of an option that is not served, why not.
    pub doc: &'static str,
    /// What becomes of its value.
    pub fate: Fate,
    /// Of an option that is not served: what the operator who sets it expects and does not get, worth a warning.
    pub missed: Option<&'static str>,
}

/// Whether CONFIG SET may change an option. (For Redis's options: as Redis's.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It may.
    Free,
    /// Only if `enable-protected-configs` says so.
    Protected,
    /// It needs a restart.
    Never,
}

/// What becomes of an option's value.
pub enum Fate {
    /// It is a field of the configuration.
    Served(Accessors),
    /// It is checked, kept and shown, and has no meaning here.
    Ignored(Checked),
    /// To ignore it would leave the operator with less than he asked for (access control, encryption): only the
    /// default is taken.
    Refused(Checked),
}

/// Reads and writes one field of the configuration.
pub struct Accessors {
    pub(super) get: fn(&Config) -> Vec<u8>,
    pub(super) set: fn(&mut Config, &[&[u8]]) -> Result<(), String>,
}

/// The syntax of an option that is not served.
pub struct Checked(&'static dyn Check);

impl Row {
    /// The value as CONFIG GET prints it. Bytes, as passwords may be any.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        match &self.fate {
            Fate::Served(field) => (field.get)(config),
            Fate::Ignored(_) | Fate::Refused(_) => {
                config.ignored.get(self.name).cloned().unwrap_or_else(|| self.default.into())
            }
        }
    }

    /// Sets the value, or leaves it and says which rule `values` break, in Redis's words. Whether the option is
    /// mutable is for the caller to look at.
    ///
    /// An option of several values may have them in one, with blanks between: so CONFIG SET gets them.
    ///
    /// # Errors
    /// The rule, without the option's name.
    pub fn set(&self, config: &mut Config, values: &[impl AsRef<[u8]>]) -> Result<(), String> {
        let values = values.iter().map(AsRef::as_ref);
        let values: Vec<&[u8]> = if self.several {
            values
                .flat_map(|value| value.split(|byte| *byte == b' '))
                .filter(|word| !word.is_empty())
                .collect()
        } else {
            values.collect()
        };
        match &self.fate {
            Fate::Served(field) => (field.set)(config, &values),
            Fate::Ignored(Checked(format)) => {
                config.ignored.insert(self.name, format.canonical(&values)?);
                Ok(())
            }
            Fate::Refused(Checked(format)) => {
                if format.canonical(&values)? != self.default.as_bytes() {
                    return Err(refusal(self.doc));
                }
                Ok(())
            }
        }
    }

    /// Its name, or its older name if that is the one asked for.
    pub fn name_as_asked(&self, asked: &[u8]) -> &'static str {
        match self.alias {
            Some(alias) if alias.as_bytes().eq_ignore_ascii_case(asked) => alias,
            _ => self.name,
        }
    }

    /// Whether it is a field of the configuration.
    pub fn is_served(&self) -> bool {
        matches!(self.fate, Fate::Served(_))
    }

    pub(super) const fn served(
        name: &'static str,
        values: &'static str,
        default: &'static str,
        field: Accessors,
        doc: &'static str,
    ) -> Row {
        let fate = Fate::Served(field);
        Row {
            name,
            alias: None,
            values,
            default,
            change: Change::Free,
            several: false,
            accumulates: false,
            doc,
            fate,
            missed: None,
        }
    }

    pub(super) const fn ignored(
        name: &'static str,
        format: &'static dyn Check,
        default: &'static str,
        reason: &'static str,
    ) -> Row {
        Row {
            name,
            alias: None,
            values: "",
            default,
            change: Change::Free,
            several: false,
            accumulates: false,
            doc: reason,
            fate: Fate::Ignored(Checked(format)),
            missed: None,
        }
    }

    pub(super) const fn refused(
        name: &'static str,
        format: &'static dyn Check,
        default: &'static str,
        reason: &'static str,
    ) -> Row {
        Row { fate: Fate::Refused(Checked(format)), ..Row::ignored(name, format, default, reason) }
    }

    pub(super) const fn alias(self, alias: &'static str) -> Row {
        Row { alias: Some(alias), ..self }
    }

    pub(super) const fn immutable(self) -> Row {
        Row { change: Change::Never, ..self }
    }

    pub(super) const fn protected(self) -> Row {
        Row { change: Change::Protected, ..self }
    }

    pub(super) const fn several(self) -> Row {
        Row { several: true, ..self }
    }

    pub(super) const fn missed(self, missed: &'static str) -> Row {
        Row { missed: Some(missed), ..self }
    }

    pub(super) const fn accumulating(self) -> Row {
        Row { accumulates: true, ..self.several() }
    }
}

/// The error of an option that is refused.
pub(super) fn refusal(reason: &str) -> String {
    format!("not supported: {reason}")
}
