//! HELLO, AUTH and what else concerns the connection itself.
//!
//! Owns their syntax and replies.

use super::spec::{Action, Flags, Group, Row};
use super::subscribe::NAMES_PER_TURN;
use super::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::broker::clients::Mark;
use crate::broker::session::ReplyMode;
use crate::broker::stats::Counter;
use crate::config::REDIS_VERSION;
use crate::presence::Removal;
use crate::pubsub::Kind;
use crate::resp::Protocol;
use crate::resp::request::{Request, parse_integer};
use crate::sync::atomic::Ordering;

/// Members that one step of a RESET removes.
const MEMBERS_PER_TURN: usize = 256;

const ALWAYS: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "hello",
        arity: -1,
        flags: ALWAYS.and(Flags::NO_AUTH).and(Flags::SENTINEL).and(Flags::ALLOW_BUSY),
        summary: "Handshakes with the server: protocol version, authentication, name.",
        action: Action::Run(hello),
        since: "6.0.0",
        syntax: "[protover:integer [AUTH username password] [SETNAME clientname]]",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "auth",
        arity: -2,
        flags: ALWAYS.and(Flags::NO_AUTH).and(Flags::SENTINEL).and(Flags::ALLOW_BUSY),
        summary: "Authenticates the connection.",
        action: Action::Run(auth),
        since: "1.0.0",
        syntax: "[username] password",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "ping",
        arity: -1,
        flags: Flags::FAST.and(Flags::SENTINEL).and(Flags::SUBSCRIBED_MODE),
        summary: "Returns the server's liveliness response.",
        action: Action::Run(ping),
        since: "1.0.0",
        syntax: "[message]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "echo",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        summary: "Returns the given string.",
        action: Action::Run(|context, request| {
            context.reply().bulk(request.argument(1));
            Ok(Flow::Done)
        }),
        since: "1.0.0",
        syntax: "message",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "quit",
        arity: -1,
        flags: ALWAYS
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY)
            .and(Flags::SUBSCRIBED_MODE)
            .and(Flags::NOT_QUEUED),
        summary: "Closes the connection.",
        action: Action::Run(|context, _| {
            context.session.closing = true;
            context.ok()
        }),
        since: "1.0.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "reset",
        arity: 1,
        flags: ALWAYS
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY)
            .and(Flags::SUBSCRIBED_MODE)
            .and(Flags::NOT_QUEUED),
        summary: "Resets the connection to the state in which it began.",
        action: Action::Run(reset),
        since: "6.2.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "select",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        summary: "Changes the selected database, which has no meaning for publish and subscribe.",
        action: Action::Run(select),
        since: "1.0.0",
        syntax: "index:integer",
        ..Row::of(Group::Connection)
    },
];

/// What HELLO's options ask for; nothing is applied before all of it is known to be right.
#[derive(Default)]
struct HelloOptions<'a> {
    protocol: Option<Protocol>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> HelloOptions<'a> {
    fn parse(request: Request<'a>) -> Result<Self, Error> {
        let mut options = HelloOptions::default();
        if request.len() < 2 {
            return Ok(options);
        }
        options.protocol =
            Some(match parse_integer(request.argument(1)).ok_or(Error::ProtocolNotInteger)? {
                2 => Protocol::Resp2,
                3 => Protocol::Resp3,
                _ => return Err(Error::UnsupportedProtocol),
            });
        let mut index = 2;
        while index < request.len() {
            let option = request.argument(index);
            let values = request.len() - index - 1;
            if option.eq_ignore_ascii_case(b"AUTH") && values >= 2 {
                options.credentials = Some((request.argument(index + 1), request.argument(index + 2)));
                index += 3;
            } else if option.eq_ignore_ascii_case(b"SETNAME") && values >= 1 {
                let name = request.argument(index + 1);
                if !is_plain(name) {
                    return Err(Error::NameCharacters);
                }
                options.name = Some(name);
                index += 2;
            } else {
                return Err(Error::HelloOption(option.to_vec()));
            }
        }
        Ok(options)
    }
}

fn hello(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let options = HelloOptions::parse(request)?;
    match options.credentials {
        Some((user, password)) => log_in(context, user, password)?,
        None if !context.session.authenticated => return Err(Error::HelloNoAuth),
        None => {}
    }
    if let Some(name) = options.name {
        context.session.client.update_names(|names| names.name = name.to_vec());
    }
    // Messages that arrive meanwhile are encoded in the protocol in which the client still is.
    let before = context.session.protocol;
    context.session.protocol = options.protocol.unwrap_or(before);
    let (id, protocol) = (context.session.id(), context.session.protocol);
    let mode = context.session.config().face.mode();
    let mut reply = context.reply();
    reply.map(7);
    for (key, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (key, value) in [("proto", i64::from(protocol.number())), ("id", id as i64)] {
        reply.bulk(key.as_bytes());
        reply.integer(value);
    }
    for (key, value) in [("mode", mode), ("role", "master")] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    if protocol != before && !context.executing && context.session.reply_mode == ReplyMode::On {
        context.session.outbox().switch_protocol(&context.workspace.reply, protocol);
        context.workspace.reply.clear();
    }
    context.session.set_protocol(protocol);
    Ok(Flow::Done)
}

fn auth(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    match request.len() {
        2 if context.session.config().requirepass.is_empty() => Err(Error::NoPasswordSet),
        2 => {
            log_in(context, b"default", request.argument(1))?;
            context.ok()
        }
        3 => {
            log_in(context, request.argument(1), request.argument(2))?;
            context.ok()
        }
        _ => Err(Error::Syntax),
    }
}

/// There is one user, `default`; without a password every one is right. (Redis `nopass`.)
fn log_in(context: &mut Context<'_>, user: &[u8], password: &[u8]) -> Result<(), Error> {
    use sha2::{Digest, Sha256};
    let expected = &context.session.config().requirepass;
    // Digests are compared, so that the time taken tells nothing about the password.
    let right = expected.is_empty() || Sha256::digest(expected) == Sha256::digest(password);
    if user != b"default" || !right {
        context.broker.stats.add(context.session.id(), Counter::AuthenticationsDenied, 1);
        return Err(Error::WrongPassword);
    }
    context.session.authenticated = true;
    Ok(())
}

fn ping(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if request.len() > 2 {
        return Err(Error::WrongArity("ping"));
    }
    let subscribed_mode = context.session.protocol == Protocol::Resp2 && context.session.is_subscribed();
    let mut reply = context.reply();
    if subscribed_mode {
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(if request.len() == 2 { request.argument(1) } else { b"" });
    } else if request.len() == 2 {
        reply.bulk(request.argument(1));
    } else {
        reply.simple("PONG");
    }
    Ok(Flow::Done)
}

/// Redis `resetCommand`: everything but the library's name and version.
fn reset(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let has_members = std::mem::take(&mut context.session.has_members);
    let members = has_members.then(|| context.broker.presence.begin_reset(context.session.id()));
    resume_now(context, ResetRest { members })
}

/// A RESET whose client still has subscriptions or members.
struct ResetRest {
    members: Option<Removal>,
}

impl Resume for ResetRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        for kind in Kind::ALL {
            context.session.unsubscribe_some(context.broker, context.now, kind, NAMES_PER_TURN, |_, _| ());
        }
        if context.session.is_subscribed() {
            return Ok(Progress::Yield);
        }
        if let Some(members) = &mut self.members
            && !context.broker.presence.continue_removal(context.now, members, MEMBERS_PER_TURN)
        {
            context.workspace.spend(MEMBERS_PER_TURN);
            return Ok(Progress::Yield);
        }
        finish_reset(context);
        Ok(Progress::Done)
    }
}

fn finish_reset(context: &mut Context<'_>) {
    super::transaction::take(context);
    context.broker.monitors.remove(&context.session.client);
    let session = &mut *context.session;
    // A reply that is to be skipped is this one.
    if session.reply_mode != ReplyMode::Skip {
        session.reply_mode = ReplyMode::On;
    }
    session.authenticated = session.config().requirepass.is_empty();
    session.set_protocol(Protocol::Resp2);
    session.client.set_tracking(None);
    session.client.mark(Mark::NoEvict, false);
    session.client.mark(Mark::NoTouch, false);
    session.client.database.store(0, Ordering::Relaxed);
    session.client.update_names(|names| names.name.clear());
    context.reply().simple("RESET");
}

fn select(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let database = parse_integer(request.argument(1)).ok_or(Error::NotInteger)?;
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    if !(least..=most).contains(&database) {
        return Err(Error::OutOfRange { least, most });
    }
    if context.session.config().face.enabled && database != 0 {
        return Err(Error::SelectInCluster);
    }
    let databases = context.session.config().databases;
    let database = u32::try_from(database).ok().filter(|database| *database < databases);
    let database = database.ok_or(Error::DatabaseOutOfRange)?;
    context.session.client.database.store(database, Ordering::Relaxed);
    context.ok()
}

/// Whether a name has no spaces, line ends or special characters. (Redis `validateClientName`.)
pub(super) fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}
