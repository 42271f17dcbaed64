//! COMMAND DOCS: what is read by people, and by the programs that help them type.
//!
//! Owns the form of the reply, which is that of Redis 7.2: redis-cli makes its hints and its `help` of it. What is said
//! stands in the rows.

use super::spec::Row;
use super::syntax::{Argument, Kind, parse};
use crate::resp::reply::Reply;

/// A command's name and what is written about it. (Redis `addReplyCommandDocs`.)
pub(super) fn write_docs(reply: &mut Reply<'_>, row: &'static Row) {
    reply.bulk(row.name.as_bytes());
    // Tests read every row's syntax.
    let arguments = parse(row.syntax).unwrap_or_default();
    let texts = [
        ("summary", row.summary),
        ("since", row.since),
        ("group", row.group.name()),
        ("complexity", row.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    let subcommands = row.subcommands().iter().filter(|row| row.is_served());
    let count = subcommands.clone().count();
    let lists = usize::from(!arguments.is_empty()) + usize::from(count > 0);
    reply.map(texts.clone().count() + lists);
    texts.for_each(|(name, text)| field(reply, name, text));
    if !arguments.is_empty() {
        write_arguments(reply, &arguments, row.keys.len(), &mut 0);
    }
    if count > 0 {
        reply.bulk(b"subcommands");
        reply.map(count);
        subcommands.for_each(|subcommand| write_docs(reply, subcommand));
    }
}

fn field(reply: &mut Reply<'_>, name: &str, text: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

/// `specs`: key specifications that the command has; `key`: the one that the next key belongs to.
fn write_arguments(reply: &mut Reply<'_>, arguments: &[Argument], specs: usize, key: &mut usize) {
    reply.bulk(b"arguments");
    reply.array(arguments.len());
    for argument in arguments {
        let is_whole = matches!(argument.kind, Kind::OneOf | Kind::Block);
        let is_key = argument.kind == Kind::Key && *key < specs;
        let flags = [(argument.optional, "optional"), (argument.multiple, "multiple")];
        let flags = flags.iter().filter(|(holds, _)| *holds);
        let has_flags = flags.clone().count() > 0;
        let fields = [true, true, !is_whole, is_key, argument.token.is_some(), has_flags, is_whole];
        reply.map(fields.iter().filter(|there| **there).count());
        field(reply, "name", &argument.name);
        field(reply, "type", argument.kind.name());
        if !is_whole {
            field(reply, "display_text", &argument.name);
        }
        if is_key {
            reply.bulk(b"key_spec_index");
            reply.integer(*key as i64);
            *key += 1;
        }
        if let Some(token) = argument.token {
            field(reply, "token", token);
        }
        if has_flags {
            reply.bulk(b"flags");
            reply.set(flags.clone().count());
            flags.for_each(|(_, flag)| reply.simple(flag));
        }
        if is_whole {
            write_arguments(reply, &argument.parts, specs, key);
        }
    }
}
