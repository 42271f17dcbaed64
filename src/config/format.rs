//! How values are written as text: read from files, flags and CONFIG SET, printed for CONFIG GET.
//!
//! Owns the syntax of each kind of value and the error texts, which are Redis's where Redis has the kind. Must not
//! know which options there are.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::{ClientMemory, OutputLimit, OutputLimits};

/// A kind of value.
pub(super) trait Format: Sync {
    /// What the configuration keeps.
    type Value;
    /// Overwrites `slot`, or leaves it as it was and says which rule `values` break.
    fn read(&self, slot: &mut Self::Value, values: &[&[u8]]) -> Result<(), String>;
    /// The canonical text.
    fn write(&self, value: &Self::Value) -> Vec<u8>;
}

/// Checks text without keeping a typed value: what is needed of an option without meaning here.
pub(super) trait Check: Sync {
    /// The canonical text, or the rule that `values` break.
    fn canonical(&self, values: &[&[u8]]) -> Result<Vec<u8>, String>;
}

impl<F: Format<Value: Default>> Check for F {
    fn canonical(&self, values: &[&[u8]]) -> Result<Vec<u8>, String> {
        let mut value = F::Value::default();
        self.read(&mut value, values)?;
        Ok(self.write(&value))
    }
}

pub(super) fn only<'a>(values: &[&'a [u8]]) -> Result<&'a [u8], String> {
    match values {
        [value] => Ok(value),
        _ => Err("wrong number of arguments".into()),
    }
}

pub(super) fn between<T: PartialOrd + Display>(value: T, least: T, most: T) -> Result<T, String> {
    if value < least || value > most {
        return Err(format!("argument must be between {least} and {most} inclusive"));
    }
    Ok(value)
}

pub(super) fn utf8(value: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(value).map_err(|_| "argument must be UTF-8".into())
}

/// `yes` or `no`.
pub(super) struct YesNo;

impl Format for YesNo {
    type Value = bool;

    fn read(&self, slot: &mut bool, values: &[&[u8]]) -> Result<(), String> {
        let value = only(values)?;
        if !value.eq_ignore_ascii_case(b"yes") && !value.eq_ignore_ascii_case(b"no") {
            return Err("argument must be 'yes' or 'no'".into());
        }
        *slot = value.eq_ignore_ascii_case(b"yes");
        Ok(())
    }

    fn write(&self, value: &bool) -> Vec<u8> {
        if *value { b"yes".to_vec() } else { b"no".to_vec() }
    }
}

/// A number without unit. What does not fit into `T` is reported like what lies outside the bounds.
pub(super) struct Integer<T> {
    pub(super) least: T,
    pub(super) most: T,
}

impl<T> Format for Integer<T>
where
    T: Copy + Display + Sync + TryFrom<i64>,
    i64: TryFrom<T>,
{
    type Value = T;

    fn read(&self, slot: &mut T, values: &[&[u8]]) -> Result<(), String> {
        let number = integer(only(values)?)?;
        let bound = |bound| i64::try_from(bound).unwrap_or(i64::MAX);
        let number = between(number, bound(self.least), bound(self.most))?;
        *slot = T::try_from(number).map_err(|_| not_an_integer())?;
        Ok(())
    }

    fn write(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }
}

fn not_an_integer() -> String {
    "argument couldn't be parsed into an integer".into()
}

/// Redis's `string2ll` takes neither `+5` nor `007`, which Rust's parser does.
pub(super) fn integer(value: &[u8]) -> Result<i64, String> {
    let text = utf8(value).map_err(|_| not_an_integer())?;
    let number: i64 = text.parse().map_err(|_| not_an_integer())?;
    if number.to_string() == text { Ok(number) } else { Err(not_an_integer()) }
}

/// Permission bits in octal.
pub(super) struct Octal {
    pub(super) most: u32,
}

impl Format for Octal {
    type Value = u32;

    fn read(&self, slot: &mut u32, values: &[&[u8]]) -> Result<(), String> {
        let unreadable = || "argument couldn't be parsed as an octal number".to_owned();
        let text = utf8(only(values)?).map_err(|_| unreadable())?;
        let number = u32::from_str_radix(text, 8).map_err(|_| unreadable())?;
        if number > self.most {
            return Err(format!("argument must be between 0 and {:o} inclusive", self.most));
        }
        *slot = number;
        Ok(())
    }

    fn write(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }
}

/// Splits `64mb` into the number and the unit.
fn number_and_unit(value: &[u8]) -> Option<(u64, String)> {
    let text = std::str::from_utf8(value).ok()?;
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((digits.parse().ok()?, unit.to_ascii_lowercase()))
}

/// Bytes, as Redis counts them: `1k` is 1000, `1kb` is 1024.
pub(super) fn memory(value: &[u8]) -> Option<u64> {
    let (number, unit) = number_and_unit(value)?;
    number.checked_mul(match unit.as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1000 * 1000,
        "mb" => 1 << 20,
        "g" => 1000 * 1000 * 1000,
        "gb" => 1 << 30,
        _ => return None,
    })
}

/// Bytes, plain or with one of the units k, kb, m, mb, g, gb.
pub(super) struct Memory<T> {
    pub(super) least: T,
    pub(super) most: T,
}

impl<T> Format for Memory<T>
where
    T: Copy + Display + PartialOrd + Sync + TryFrom<u64>,
{
    type Value = T;

    fn read(&self, slot: &mut T, values: &[&[u8]]) -> Result<(), String> {
        let unreadable = || "argument must be a memory value".to_owned();
        let bytes = memory(only(values)?).ok_or_else(unreadable)?;
        *slot = between(T::try_from(bytes).map_err(|_| unreadable())?, self.least, self.most)?;
        Ok(())
    }

    fn write(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }
}

/// Bytes, or a percentage of `maxmemory`. (`maxmemory-clients`.)
pub(super) struct MemoryOrPercent;

impl Format for MemoryOrPercent {
    type Value = ClientMemory;

    fn read(&self, slot: &mut ClientMemory, values: &[&[u8]]) -> Result<(), String> {
        let unreadable = || "argument must be a memory or percent value".to_owned();
        let value = only(values)?;
        *slot = match value.strip_suffix(b"%") {
            None => ClientMemory::Bytes(memory(value).ok_or_else(unreadable)?),
            Some(percent) => match integer(percent).map(u8::try_from) {
                Ok(Ok(0)) => ClientMemory::Bytes(0),
                Ok(Ok(percent @ 1..=100)) => ClientMemory::Percent(percent),
                Ok(_) if !percent.starts_with(b"-") => {
                    return Err("percentage argument must be less or equal to 100".into());
                }
                _ => return Err(unreadable()),
            },
        };
        Ok(())
    }

    fn write(&self, value: &ClientMemory) -> Vec<u8> {
        match value {
            ClientMemory::Bytes(bytes) => bytes.to_string().into_bytes(),
            ClientMemory::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }
}

/// A number of seconds, as Redis's own options have it.
pub(super) struct Seconds;

impl Format for Seconds {
    type Value = Duration;

    fn read(&self, slot: &mut Duration, values: &[&[u8]]) -> Result<(), String> {
        let mut seconds = 0;
        Integer { least: 0, most: i32::MAX.unsigned_abs() }.read(&mut seconds, values)?;
        *slot = Duration::from_secs(seconds.into());
        Ok(())
    }

    fn write(&self, value: &Duration) -> Vec<u8> {
        value.as_secs().to_string().into_bytes()
    }
}

/// A number of milliseconds, or one with a unit; a year at most, so that adding it to a time cannot overflow.
pub(super) struct Milliseconds;

impl Format for Milliseconds {
    type Value = Duration;

    fn read(&self, slot: &mut Duration, values: &[&[u8]]) -> Result<(), String> {
        const YEAR: u64 = 365 * 24 * 60 * 60 * 1000;
        let milliseconds = number_and_unit(only(values)?).and_then(|(number, unit)| {
            number.checked_mul(match unit.as_str() {
                "" | "ms" => 1,
                "s" => 1000,
                "m" => 60 * 1000,
                "h" => 60 * 60 * 1000,
                "d" => 24 * 60 * 60 * 1000,
                _ => return None,
            })
        });
        let milliseconds =
            milliseconds.ok_or("argument must be in milliseconds, or have the unit ms, s, m, h or d")?;
        *slot = Duration::from_millis(between(milliseconds, 0, YEAR)?);
        Ok(())
    }

    fn write(&self, value: &Duration) -> Vec<u8> {
        value.as_millis().to_string().into_bytes()
    }
}

/// Percentiles with any fraction, in millionths of a percent. None at all is fine.
pub(super) struct Percentiles;

/// A percent in the unit of [`Percentiles`].
const PERCENT: f64 = 1e6;

impl Format for Percentiles {
    type Value = Vec<u32>;

    fn read(&self, slot: &mut Vec<u32>, values: &[&[u8]]) -> Result<(), String> {
        let parse = |value: &&[u8]| {
            let number: f64 = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&number) {
                return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
            }
            Ok((number * PERCENT).round() as u32)
        };
        // `""` in a file is one empty value.
        let values = values.iter().filter(|value| !value.is_empty());
        *slot = values.map(parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn write(&self, value: &Vec<u32>) -> Vec<u8> {
        let texts: Vec<String> =
            value.iter().map(|number| (f64::from(*number) / PERCENT).to_string()).collect();
        texts.join(" ").into_bytes()
    }
}

/// Any bytes.
pub(super) struct Bytes;

impl Format for Bytes {
    type Value = Vec<u8>;

    fn read(&self, slot: &mut Vec<u8>, values: &[&[u8]]) -> Result<(), String> {
        *slot = only(values)?.to_vec();
        Ok(())
    }

    fn write(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }
}

/// Any text.
pub(super) struct Text;

impl Format for Text {
    type Value = String;

    fn read(&self, slot: &mut String, values: &[&[u8]]) -> Result<(), String> {
        *slot = utf8(only(values)?)?.to_owned();
        Ok(())
    }

    fn write(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }
}

/// A path; empty for none.
pub(super) struct Path;

impl Format for Path {
    type Value = Option<PathBuf>;

    fn read(&self, slot: &mut Option<PathBuf>, values: &[&[u8]]) -> Result<(), String> {
        let text = utf8(only(values)?)?;
        *slot = (!text.is_empty()).then(|| PathBuf::from(text));
        Ok(())
    }

    fn write(&self, value: &Option<PathBuf>) -> Vec<u8> {
        value.as_ref().map_or_else(Vec::new, |path| path.to_string_lossy().into_owned().into_bytes())
    }
}

/// Several words, printed with blanks between them. Redis's `bind` takes 16, `bind ""` none.
pub(super) struct Words {
    pub(super) most: usize,
    pub(super) too_many: &'static str,
}

impl Format for Words {
    type Value = Vec<String>;

    fn read(&self, slot: &mut Vec<String>, values: &[&[u8]]) -> Result<(), String> {
        if values.len() > self.most {
            return Err(self.too_many.into());
        }
        *slot = values.iter().map(|value| Ok(utf8(value)?.to_owned())).collect::<Result<_, String>>()?;
        Ok(())
    }

    fn write(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }
}

/// A TCP port: a number, 0 for off, `auto` for a free one.
pub(super) struct Port;

impl Format for Port {
    type Value = Option<u16>;

    fn read(&self, slot: &mut Option<u16>, values: &[&[u8]]) -> Result<(), String> {
        if only(values)?.eq_ignore_ascii_case(b"auto") {
            *slot = Some(0);
            return Ok(());
        }
        let mut port = 0;
        Integer { least: 0, most: u16::MAX }.read(&mut port, values)?;
        *slot = (port != 0).then_some(port);
        Ok(())
    }

    fn write(&self, value: &Option<u16>) -> Vec<u8> {
        match value {
            None => b"0".to_vec(),
            Some(0) => b"auto".to_vec(),
            Some(port) => port.to_string().into_bytes(),
        }
    }
}

pub(super) fn index_of(names: &[&str], value: &[u8]) -> Result<usize, String> {
    names
        .iter()
        .position(|name| value.eq_ignore_ascii_case(name.as_bytes()))
        .ok_or_else(|| format!("argument(s) must be one of the following: {}", names.join(", ")))
}

/// One of a few names, each for a value.
pub(super) struct Named<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq + Sync> Format for Named<T> {
    type Value = T;

    fn read(&self, slot: &mut T, values: &[&[u8]]) -> Result<(), String> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        *slot = self.0[index_of(&names, only(values)?)?].1;
        Ok(())
    }

    fn write(&self, value: &T) -> Vec<u8> {
        let name = self.0.iter().find(|(_, named)| named == value).map_or("unknown", |(name, _)| name);
        name.as_bytes().to_vec()
    }
}

/// One of a few names without a type of their own.
pub(super) struct OneOf(pub(super) &'static [&'static str]);

impl Format for OneOf {
    type Value = String;

    fn read(&self, slot: &mut String, values: &[&[u8]]) -> Result<(), String> {
        *slot = self.0[index_of(self.0, only(values)?)?].to_owned();
        Ok(())
    }

    fn write(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }
}

/// `client-output-buffer-limit`: any number of `class hard soft seconds`; a class that is not named keeps its limits.
pub(super) struct LimitsByClass;

impl Format for LimitsByClass {
    type Value = OutputLimits;

    fn read(&self, slot: &mut OutputLimits, values: &[&[u8]]) -> Result<(), String> {
        if !values.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        // All or nothing: an error in the last class must not leave the first one changed.
        let mut limits = *slot;
        for group in values.chunks_exact(4) {
            let limit = match group[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
            };
            *limit = output_limit(&group[1..])
                .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        *slot = limits;
        Ok(())
    }

    fn write(&self, value: &OutputLimits) -> Vec<u8> {
        // Redis goes on calling the class `slave` here.
        [("normal", value.normal), ("slave", value.replica), ("pubsub", value.pubsub)]
            .map(|(class, limit)| {
                let seconds = limit.soft_duration.as_secs();
                format!("{class} {} {} {seconds}", limit.hard_bytes, limit.soft_bytes)
            })
            .join(" ")
            .into_bytes()
    }
}

fn output_limit(values: &[&[u8]]) -> Option<OutputLimit> {
    let [hard, soft, seconds] = values else { return None };
    let seconds: u32 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    Some(OutputLimit {
        hard_bytes: memory(hard)?,
        soft_bytes: memory(soft)?,
        soft_duration: Duration::from_secs(seconds.into()),
    })
}

/// `replicaof`: a host and a port, or `no one`, which is the same as nothing.
pub(super) struct Master;

impl Check for Master {
    fn canonical(&self, values: &[&[u8]]) -> Result<Vec<u8>, String> {
        match values {
            [] => Ok(Vec::new()),
            [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => Ok(Vec::new()),
            [_, port] if Integer { least: 0, most: u16::MAX }.read(&mut 0, &[port]).is_err() => {
                Err("Invalid master port".into())
            }
            [_, _] => Ok(values.join(&b' ')),
            _ => Err("wrong number of arguments".into()),
        }
    }
}
