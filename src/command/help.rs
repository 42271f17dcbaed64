//! What containers answer to HELP.
//!
//! Owns the form; the lines stand beside their commands.

use super::Context;

/// Replies with the lines of a container's HELP.
pub(super) fn help(context: &mut Context<'_>, container: &str, lines: &[&str]) {
    let mut reply = context.reply();
    reply.array(lines.len() + 3);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines.iter().chain(&["HELP", "    Prints this help."]) {
        reply.simple(line);
    }
}
