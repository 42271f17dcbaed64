//! The texts of all error replies.
//!
//! Owns them to the letter, since clients match on them; nothing else spells one. They are Redis 7.2's, or follow
//! its form where the command is ours. Must not know when they apply.

mod presence;

pub use presence::PresenceError;

use crate::resp::request::Request;

/// Bytes of a name, and of all arguments together, that an unknown command's error repeats. (Redis.)
const ECHOED_BYTES_MAX: usize = 128;

/// An error reply. The connection lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the texts say it
pub enum Error {
    UnknownCommand(Vec<u8>),
    /// A web browser was made to send an HTTP request here: close without a reply. (Redis `securityWarningCommand`.)
    CrossProtocol,
    UnknownSubcommand {
        name: Vec<u8>,
        container: &'static str,
    },
    WrongArity(&'static str),
    NoAuth,
    HelloNoAuth,
    WrongPassword,
    NoPasswordSet,
    Syntax,
    NotInteger,
    OutOfRange {
        least: i64,
        most: i64,
    },
    NotPositive,
    TimeoutNotInteger,
    TimeoutNegative,
    DatabaseOutOfRange,
    UnsupportedProtocol,
    ProtocolNotInteger,
    HelloOption(Vec<u8>),
    SubscribedMode(&'static str),
    NameCharacters,
    InfoCharacters(Vec<u8>),
    InfoAttribute(Vec<u8>),
    UnrecognizedOption(Vec<u8>),
    SubcommandArity {
        name: Vec<u8>,
        container: &'static str,
    },
    SlowLogCount,
    NoSamples(Vec<u8>),
    NoSuchClient,
    NoSuchUser(Vec<u8>),
    UnknownClientType(Vec<u8>),
    InvalidClientId,
    InvalidListedId,
    MaxAgeNotInteger,
    MaxAgeNotPositive,
    CountNegative,
    UnblockReason,
    PauseMode,
    TimeoutOutOfRange,
    Tracking(TrackingError),
    Presence(PresenceError),
    /// A client in MONITOR mode may not publish: Redis has it for a replica.
    ReplicaKeyspace,
    NestedMulti,
    ExecWithoutMulti,
    DiscardWithoutMulti,
    WatchInsideMulti,
    ExecAborted,
    NotAllowedInTransaction,
    DenyBlocking(&'static str),
    MonitorDenyBlocking,
    DebugNotAllowed,
    NoShutdown,
    ProtocolTypeName,
    Resp3Only,
    /// What DEBUG ERROR was told to say.
    Chosen(Vec<u8>),
    NegativeKeys,
    TooManyKeys,
    NoScript,
    NoScriptRunning,
    ScriptFlushOption,
    FunctionFlushOption,
    NoLibraryName,
    UnknownArgument(Vec<u8>),
    ClusterDisabled,
    ClusterDecides,
    InvalidSlot,
    InvalidSlotOrCount,
    UnknownNode(Vec<u8>),
    SelectInCluster,
    NoReplicas,
    NoAppendOnlyFile,
    InvalidCursor,
    InvalidStreamId,
    InvalidStreamStart,
    InvalidStreamEnd,
    UnknownConfigOption(Vec<u8>),
    /// The option as it was named, and the rule.
    ConfigSet {
        option: Vec<u8>,
        reason: String,
    },
    NoConfigFile,
    /// What the system said.
    ConfigRewrite(String),
    NoSuchCommand,
    NoKeyArguments,
    ArgumentsNumber,
    ArgumentsInvalid,
    TooManySubscriptions(usize),
    TooManyPatterns(usize),
    ChannelTooLong(usize),
    ReservedChannel(Vec<u8>),
    PatternTooLong(usize),
    TransactionTooLong(usize),
    /// The client's requests take more than `client-query-buffer-limit`: close without a reply.
    QueryLimit,
    ExecRefused(Vec<u8>),
}

/// Why CLIENT TRACKING or CLIENT CACHING is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the texts say it
pub enum TrackingError {
    TwoRedirections,
    NobodyToRedirectTo,
    PrefixWithoutBroadcast,
    SwitchOfBroadcast,
    ChoiceWithBroadcast,
    BothChoices,
    SwitchOfChoice,
    OverlapsWithExisting(Vec<u8>, Vec<u8>),
    OverlapsWithProvided(Vec<u8>, Vec<u8>),
    CachingWithoutTracking,
    YesWithoutOptIn,
    NoWithoutOptOut,
}

impl TrackingError {
    fn text(&self) -> Vec<u8> {
        let overlap = |prefix: &[u8], with: &[u8], other: &[u8]| {
            let rest = b"'. Prefixes for a single client must not overlap.";
            [b"ERR Prefix '", whole(prefix), b"' overlaps with ", with, b" '", whole(other), rest].concat()
        };
        let text: &str = match self {
            TrackingError::TwoRedirections => "A client can only redirect to a single other client",
            TrackingError::NobodyToRedirectTo => "The client ID you want redirect to does not exist",
            TrackingError::PrefixWithoutBroadcast => "PREFIX option requires BCAST mode to be enabled",
            TrackingError::SwitchOfBroadcast => {
                "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
                 with a different mode."
            }
            TrackingError::ChoiceWithBroadcast => "OPTIN and OPTOUT are not compatible with BCAST",
            TrackingError::BothChoices => "You can't specify both OPTIN mode and OPTOUT mode",
            TrackingError::SwitchOfChoice => {
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
                 with a different mode."
            }
            TrackingError::OverlapsWithExisting(prefix, other) => {
                return overlap(prefix, b"an existing prefix", other);
            }
            TrackingError::OverlapsWithProvided(prefix, other) => {
                return overlap(prefix, b"another provided prefix", other);
            }
            TrackingError::CachingWithoutTracking => {
                "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
            }
            TrackingError::YesWithoutOptIn => {
                "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
            }
            TrackingError::NoWithoutOptOut => {
                "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
            }
        };
        [b"ERR ", text.as_bytes()].concat()
    }
}

impl Error {
    /// The reply, without the leading `-`.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Error::UnknownCommand(text) => text.clone(),
            Error::UnknownSubcommand { name, container } => {
                let name = repeated(name, ECHOED_BYTES_MAX);
                let container = container.to_ascii_uppercase();
                [b"ERR unknown subcommand '", name, b"'. Try ", container.as_bytes(), b" HELP."].concat()
            }
            Error::ExecRefused(reason) => {
                let reason = reason.strip_prefix(b"ERR ").unwrap_or(reason);
                [b"EXECABORT Transaction discarded because of: ", reason].concat()
            }
            Error::SubcommandArity { name, container } => {
                let name = repeated(name, ECHOED_BYTES_MAX);
                let begin = b"ERR unknown subcommand or wrong number of arguments for '";
                [begin, name, b"'. Try ", container.as_bytes(), b" HELP."].concat()
            }
            Error::Tracking(error) => error.text(),
            Error::Presence(error) => error.text().into_bytes(),
            Error::NoSamples(event) => [b"ERR No samples available for event '", whole(event), b"'"].concat(),
            Error::HelloOption(option) => {
                [b"ERR Syntax error in HELLO option '", whole(option), b"'"].concat()
            }
            Error::InfoCharacters(attribute) => {
                [b"ERR ", whole(attribute), b" cannot contain spaces, newlines or special characters."]
                    .concat()
            }
            Error::InfoAttribute(option) | Error::UnrecognizedOption(option) => {
                [b"ERR Unrecognized option '", whole(option), b"'"].concat()
            }
            Error::UnknownClientType(kind) => [b"ERR Unknown client type '", whole(kind), b"'"].concat(),
            Error::UnknownArgument(argument) => [b"ERR Unknown argument ", whole(argument)].concat(),
            Error::Chosen(text) => text.clone(),
            Error::UnknownConfigOption(option) => {
                let text = b"ERR Unknown option or number of arguments for CONFIG SET - '";
                [text, whole(option), b"'"].concat()
            }
            Error::ConfigSet { option, reason } => {
                let text = b"ERR CONFIG SET failed (possibly related to argument '";
                [text, whole(option), b"') - ", reason.as_bytes()].concat()
            }
            Error::ReservedChannel(channel) => {
                [b"ERR channel '", repeated(channel, ECHOED_BYTES_MAX), b"' is reserved"].concat()
            }
            Error::UnknownNode(id) => [b"ERR Unknown node ", repeated(id, ECHOED_BYTES_MAX)].concat(),
            Error::NoSuchUser(user) => [b"ERR No such user '", whole(user), b"'"].concat(),
            other => other.plain_text().into_bytes(),
        }
    }

    /// Those that repeat none of a client's bytes.
    fn plain_text(&self) -> String {
        match self {
            Error::WrongArity(name) => format!("ERR wrong number of arguments for '{name}' command"),
            Error::SubscribedMode(name) => format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context"
            ),
            Error::DenyBlocking(name) => {
                format!("ERR {} isn't allowed for a DENY BLOCKING client", name.to_ascii_uppercase())
            }
            Error::TooManySubscriptions(most) => format!(
                "ERR max number of subscriptions per client reached (max-subscriptions-per-client {most})"
            ),
            Error::TooManyPatterns(most) => {
                format!("ERR max number of patterns per client reached (max-patterns-per-client {most})")
            }
            Error::ChannelTooLong(most) => {
                format!("ERR channel name is longer than {most} bytes (max-channel-length)")
            }
            Error::PatternTooLong(most) => {
                format!("ERR pattern is longer than {most} bytes (max-pattern-length)")
            }
            Error::TransactionTooLong(most) => {
                format!("ERR transaction queue is longer than {most} commands (max-multi-commands)")
            }
            Error::OutOfRange { least, most } => {
                format!("ERR value is out of range, value must between {least} and {most}")
            }
            Error::ConfigRewrite(error) => format!("ERR Rewriting config file: {error}"),
            other => other.fixed_text().to_owned(),
        }
    }

    fn fixed_text(&self) -> &'static str {
        match self {
            Error::NoAuth => "NOAUTH Authentication required.",
            Error::HelloNoAuth => {
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
                 the same time"
            }
            Error::WrongPassword => "WRONGPASS invalid username-password pair or user is disabled.",
            Error::NoPasswordSet => {
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?"
            }
            Error::NotInteger => "ERR value is not an integer or out of range",
            Error::DatabaseOutOfRange => "ERR DB index is out of range",
            Error::UnsupportedProtocol => "NOPROTO unsupported protocol version",
            Error::ProtocolNotInteger => "ERR Protocol version is not an integer or out of range",
            Error::NameCharacters => {
                "ERR Client names cannot contain spaces, newlines or special characters."
            }
            Error::SlowLogCount => "ERR count should be greater than or equal to -1",
            Error::NoSuchClient => "ERR No such client",
            Error::InvalidClientId => "ERR client-id should be greater than 0",
            Error::InvalidListedId => "ERR Invalid client ID",
            Error::MaxAgeNotPositive => "ERR maxage should be greater than 0",
            Error::MaxAgeNotInteger => "ERR maxage is not an integer or out of range",
            Error::CountNegative => "ERR COUNT should be greater than or equal to 0",
            Error::UnblockReason => "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            Error::PauseMode => "ERR CLIENT PAUSE mode must be WRITE or ALL",
            Error::TimeoutOutOfRange => "ERR timeout is out of range",
            Error::MonitorDenyBlocking => "ERR MONITOR isn't allowed for DENY BLOCKING client",
            Error::ReplicaKeyspace => "ERR Replica can't interact with the keyspace",
            Error::NestedMulti => "ERR MULTI calls can not be nested",
            Error::ExecWithoutMulti => "ERR EXEC without MULTI",
            Error::DiscardWithoutMulti => "ERR DISCARD without MULTI",
            Error::WatchInsideMulti => "ERR WATCH inside MULTI is not allowed",
            Error::ExecAborted => "EXECABORT Transaction discarded because of previous errors.",
            Error::NoSuchCommand => "ERR Invalid command specified",
            Error::NoKeyArguments => "ERR The command has no key arguments",
            Error::ArgumentsNumber => "ERR Invalid number of arguments specified for command",
            Error::ArgumentsInvalid => "ERR Invalid arguments specified for command",
            Error::NotAllowedInTransaction => "ERR Command not allowed inside a transaction",
            Error::NoShutdown => "ERR No shutdown in progress.",
            Error::NoConfigFile => "ERR The server is running without a config file",
            Error::DebugNotAllowed => {
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run \
                 it from a local connection, otherwise you need to set this option in the configuration file, and \
                 then restart the server."
            }
            other => other.text_without_keys(),
        }
    }

    /// Of commands for which there is nothing here that they could work on.
    fn text_without_keys(&self) -> &'static str {
        match self {
            Error::NotPositive => "ERR value is out of range, must be positive",
            Error::TimeoutNotInteger => "ERR timeout is not an integer or out of range",
            Error::TimeoutNegative => "ERR timeout is negative",
            Error::ProtocolTypeName => {
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
            }
            Error::Resp3Only => "ERR RESP2 is not supported by this command",
            Error::NegativeKeys => "ERR Number of keys can't be negative",
            Error::TooManyKeys => "ERR Number of keys can't be greater than number of args",
            Error::NoScript => "NOSCRIPT No matching script. Please use EVAL.",
            Error::NoScriptRunning => "NOTBUSY No scripts in execution right now.",
            Error::ScriptFlushOption => "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
            Error::FunctionFlushOption => "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
            Error::NoLibraryName => "ERR library name argument was not given",
            Error::ClusterDisabled => "ERR This instance has cluster support disabled",
            Error::ClusterDecides => {
                "ERR Instances divide the slots among themselves, and find each other: see cluster-peer"
            }
            Error::InvalidSlot => "ERR Invalid slot",
            Error::InvalidSlotOrCount => "ERR Invalid slot or number of keys",
            Error::SelectInCluster => "ERR SELECT is not allowed in cluster mode",
            Error::NoReplicas => "ERR This server stores nothing, so that it cannot be a replica",
            Error::NoAppendOnlyFile => {
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
            }
            Error::InvalidCursor => "ERR invalid cursor",
            Error::InvalidStreamId => "ERR Invalid stream ID specified as stream command argument",
            Error::InvalidStreamStart => "ERR invalid start ID for the interval",
            Error::InvalidStreamEnd => "ERR invalid end ID for the interval",
            _ => "ERR syntax error",
        }
    }

    /// The error for a container that does not know the subcommand with so many arguments.
    pub fn subcommand_arity(request: Request<'_>, container: &'static str) -> Error {
        Error::SubcommandArity { name: request.argument(1).to_vec(), container }
    }

    /// The error for a command that nobody knows, repeating what was sent.
    pub fn unknown_command(request: Request<'_>) -> Error {
        let mut text = b"ERR unknown command '".to_vec();
        text.extend_from_slice(repeated(request.argument(0), ECHOED_BYTES_MAX));
        text.extend_from_slice(b"', with args beginning with: ");
        let begin = text.len();
        for argument in request.arguments_from(1) {
            let used = text.len() - begin;
            if used >= ECHOED_BYTES_MAX {
                break;
            }
            text.push(b'\'');
            text.extend_from_slice(repeated(argument, ECHOED_BYTES_MAX - used));
            text.extend_from_slice(b"' ");
        }
        Error::UnknownCommand(text)
    }
}

/// What an error repeats of a client's bytes: up to a NUL, with which texts end in Redis.
fn repeated(bytes: &[u8], most: usize) -> &[u8] {
    let end = bytes.iter().take(most).position(|byte| *byte == 0).unwrap_or(bytes.len().min(most));
    &bytes[..end]
}

/// The same, however long.
fn whole(bytes: &[u8]) -> &[u8] {
    repeated(bytes, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::{Decoder, Limits};

    fn unknown(input: &[u8]) -> String {
        let mut decoder = Decoder::default();
        let limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };
        let request = decoder.decode(input, limits, &mut 0).unwrap().unwrap();
        String::from_utf8(Error::unknown_command(request).text()).unwrap()
    }

    #[test]
    fn unknown_commands_are_repeated_as_sent() {
        assert_eq!(unknown(b"Foo a b\r\n"), "ERR unknown command 'Foo', with args beginning with: 'a' 'b' ");
        assert_eq!(unknown(b"FOO\r\n"), "ERR unknown command 'FOO', with args beginning with: ");
    }

    #[test]
    fn but_not_without_bounds() {
        let long = "x".repeat(1000);
        let text = unknown(format!("{long} {long} {long}\r\n").as_bytes());
        assert!(text.len() < 350, "{}", text.len());
    }
}
