//! Which arguments nobody else may see: passwords.
//!
//! Owns where they stand, for every place that shows others' commands.

use super::Row;

/// What stands there instead. (Redis.)
const REDACTED: &[u8] = b"(redacted)";

/// Options whose value CONFIG SET gets. (Redis's sensitive ones.)
const SECRET_OPTIONS: [&[u8]; 5] =
    [b"requirepass", b"masterauth", b"masteruser", b"tls-key-file-pass", b"tls-client-key-file-pass"];

/// Replaces secrets in the arguments of a command, its name included.
pub(super) fn redact(row: &Row, arguments: &mut [&[u8]]) {
    match row.name {
        "auth" => replace(arguments, 1, usize::MAX),
        "acl|setuser" => replace(arguments, 2, usize::MAX),
        "hello" => {
            // Behind the protocol's number: SETNAME with one value, AUTH with two. After anything else, the number that
            // was forgotten for instance, what follows may be a password.
            let mut index = 2;
            while index < arguments.len() {
                if arguments[index].eq_ignore_ascii_case(b"auth") {
                    replace(arguments, index + 1, 2);
                    index += 3;
                } else if arguments[index].eq_ignore_ascii_case(b"setname") {
                    index += 2;
                } else {
                    return replace(arguments, index + 1, usize::MAX);
                }
            }
        }
        "config|set" => {
            // At any place: there may be one argument too many before it.
            for index in 2..arguments.len() {
                if SECRET_OPTIONS.iter().any(|name| name.eq_ignore_ascii_case(arguments[index])) {
                    replace(arguments, index + 1, 1);
                }
            }
        }
        _ => {}
    }
}

fn replace(arguments: &mut [&[u8]], first: usize, most: usize) {
    arguments.iter_mut().skip(first).take(most).for_each(|argument| *argument = REDACTED);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::Group;

    fn redacted(name: &'static str, line: &str) -> String {
        let mut arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        redact(&Row { name, ..Row::of(Group::Connection) }, &mut arguments);
        String::from_utf8(arguments.join(&b' ')).unwrap()
    }

    #[test]
    fn passwords_are_not_shown() {
        let cases = [
            ("ping", "PING x", "PING x"),
            ("auth", "AUTH a", "AUTH (redacted)"),
            ("auth", "AUTH a b", "AUTH (redacted) (redacted)"),
            ("hello", "HELLO", "HELLO"),
            ("hello", "HELLO 3 AUTH", "HELLO 3 AUTH"),
            ("hello", "HELLO 3 auth a b SETNAME auth", "HELLO 3 auth (redacted) (redacted) SETNAME auth"),
            ("hello", "HELLO 3 SETNAME auth AUTH a b", "HELLO 3 SETNAME auth AUTH (redacted) (redacted)"),
            ("config|set", "CONFIG SET port 1 RequirePass a", "CONFIG SET port 1 RequirePass (redacted)"),
            ("config|set", "CONFIG SET requirepass", "CONFIG SET requirepass"),
            ("config|set", "CONFIG SET x requirepass a", "CONFIG SET x requirepass (redacted)"),
            ("hello", "HELLO AUTH default a", "HELLO AUTH default (redacted)"),
            ("hello", "HELLO 3 x AUTH b a", "HELLO 3 x (redacted) (redacted) (redacted)"),
            ("hello", "HELLO 3 SETNAME x", "HELLO 3 SETNAME x"),
            ("acl|setuser", "ACL SETUSER bob >a", "ACL SETUSER (redacted) (redacted)"),
        ];
        for (name, line, shown) in cases {
            assert_eq!(redacted(name, line), shown);
        }
    }
}
