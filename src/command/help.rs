//! What containers answer to HELP.
//!
//! Owns the form; the lines stand beside their commands.

use super::Context;

/// Replies with the lines of a container's HELP.
pub(super) fn help(context: &mut Context<'_>, container: &str, lines: &[&str]) {
    help_about(context, &format!("{container} <subcommand>"), lines);
}

/// The same for what is called in this way.
pub(super) fn help_about(context: &mut Context<'_>, call: &str, lines: &[&str]) {
    let mut reply = context.reply();
    reply.array(lines.len() + 3);
    reply.simple(&format!("{call} [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines.iter().chain(&["HELP", "    Prints this help."]) {
        reply.simple(line);
    }
}
