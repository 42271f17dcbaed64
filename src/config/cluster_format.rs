//! The syntax of what only options of a cluster have: addresses of instances, their ids, the cluster's name.
//!
//! Owns what is written how. Must not know what is done with it.

use std::net::IpAddr;

use super::format::{Bytes, Format, Integer, only, utf8};

/// Several addresses, each a name or an IP address and a port; an IPv6 address in brackets.
pub(super) struct HostPorts;

impl Format for HostPorts {
    type Value = Vec<String>;

    fn read(&self, slot: &mut Vec<String>, values: &[&[u8]]) -> Result<(), String> {
        let words = values.iter().filter(|value| !value.is_empty());
        *slot = words.map(|word| host_port(word)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn write(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }
}

fn host_port(word: &[u8]) -> Result<String, String> {
    let text = utf8(word)?;
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let is_plain = !host.is_empty() && !host.contains(':');
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        (is_plain || is_bracketed).then(|| port.parse::<u16>().ok())?
    });
    match parts {
        Some(1..) => Ok(text.to_owned()),
        _ => Err("argument must be of the form host:port, and [address]:port for IPv6".into()),
    }
}

/// An IP address; empty for none.
pub(super) struct Address;

impl Format for Address {
    type Value = String;

    fn read(&self, slot: &mut String, values: &[&[u8]]) -> Result<(), String> {
        let text = utf8(only(values)?)?;
        let is_address = text.parse().is_ok_and(|address: IpAddr| !address.is_unspecified());
        if !text.is_empty() && !is_address {
            return Err("argument must be an IP address that others can connect to".into());
        }
        *slot = text.to_owned();
        Ok(())
    }

    fn write(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }
}

/// The id of an instance: hexadecimal, not 0; empty for none.
pub(super) struct NodeNumber;

impl Format for NodeNumber {
    type Value = Option<u64>;

    fn read(&self, slot: &mut Option<u64>, values: &[&[u8]]) -> Result<(), String> {
        let text = utf8(only(values)?)?;
        let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        *slot = match (text, u64::from_str_radix(text, 16)) {
            ("", _) => None,
            (_, Ok(number)) if is_hexadecimal && number != 0 => Some(number),
            _ => return Err("argument must be 1 to 16 hexadecimal digits, and not 0".into()),
        };
        Ok(())
    }

    fn write(&self, value: &Option<u64>) -> Vec<u8> {
        value.map_or_else(Vec::new, |number| format!("{number:016x}").into_bytes())
    }
}

/// The name of a cluster.
pub(super) struct ClusterName;

impl Format for ClusterName {
    type Value = Vec<u8>;

    fn read(&self, slot: &mut Vec<u8>, values: &[&[u8]]) -> Result<(), String> {
        let mut name = Vec::new();
        Bytes.read(&mut name, values)?;
        if name.len() > 256 {
            return Err("a name has at most 256 bytes".into());
        }
        *slot = name;
        Ok(())
    }

    fn write(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }
}

/// A port of its own, or 0.
pub(super) struct AnnouncedPort;

impl Format for AnnouncedPort {
    type Value = Option<u16>;

    fn read(&self, slot: &mut Option<u16>, values: &[&[u8]]) -> Result<(), String> {
        let mut port = 0;
        Integer { least: 0, most: u16::MAX }.read(&mut port, values)?;
        *slot = (port != 0).then_some(port);
        Ok(())
    }

    fn write(&self, value: &Option<u16>) -> Vec<u8> {
        value.unwrap_or(0).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<F: Format>(format: F, text: &str) -> Result<String, String>
    where
        F::Value: Default,
    {
        let mut value = F::Value::default();
        format.read(&mut value, &[text.as_bytes()])?;
        Ok(String::from_utf8(format.write(&value)).unwrap())
    }

    #[test]
    fn addresses_of_instances() {
        for good in ["127.0.0.1:16380", "broker-0.broker:17", "[::1]:16380", ""] {
            assert_eq!(read(HostPorts, good).as_deref(), Ok(good));
        }
        for bad in ["127.0.0.1", ":1", "a:0", "a:65536", "a:b", "::1:16380", "a:"] {
            assert!(read(HostPorts, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_to_announce() {
        for good in ["10.0.0.1", "fe80::1", ""] {
            assert_eq!(read(Address, good).as_deref(), Ok(good));
        }
        for bad in ["0.0.0.0", "::", "broker", "10.0.0.1:1"] {
            assert!(read(Address, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(read(NodeNumber, "A1").as_deref(), Ok("00000000000000a1"));
        assert_eq!(read(NodeNumber, "").as_deref(), Ok(""));
        for bad in ["0", "x", "-1", "+1", "11111111111111111"] {
            assert!(read(NodeNumber, bad).is_err(), "{bad}");
        }
    }
}
