//! Options about who is present: how large things may get, how long members stay, what watchers are told.
//!
//! Owns their rows.

use super::{Accessors, Row};
use crate::config::format::{Format, Integer, Memory, Milliseconds, YesNo};

/// What instances take from each other, whatever their options say: so nobody's members are too long for another one.
const NAME_BYTES: Memory<usize> = Memory { least: 1, most: 64 * 1024 };
const META_BYTES: Memory<usize> = Memory { least: 2, most: 16 * 1024 * 1024 };
const NUMBER: Integer<usize> = Integer { least: 1, most: u32::MAX as usize };

pub(super) static SERVED: &[Row] = &[
    Row::served(
        "presence-topic-max-bytes",
        "bytes",
        "512",
        field!(presence_topic_max_bytes, NAME_BYTES),
        "Bytes of a topic's name. It is kept once for all members of the topic: room for a path with a few ids in it.",
    ),
    Row::served(
        "presence-key-max-bytes",
        "bytes",
        "256",
        field!(presence_key_max_bytes, NAME_BYTES),
        "Bytes of a key, which is usually a user's id. Each member keeps its own.",
    ),
    Row::served(
        "presence-session-max-bytes",
        "bytes",
        "256",
        field!(presence_session_max_bytes, NAME_BYTES),
        "Bytes of a session's name: several times those of a UUID.",
    ),
    Row::served(
        "presence-id-max-bytes",
        "bytes",
        "256",
        field!(presence_id_max_bytes, NAME_BYTES),
        "Bytes of the id that tells apart members of one key in one session.",
    ),
    Row::served(
        "presence-meta-max-bytes",
        "bytes",
        "4096",
        field!(presence_meta_max_bytes, META_BYTES),
        "Bytes of a meta. It is sent to every watcher of the topic whenever it changes: a name, a status, a picture's URL, \
         but not the picture.",
    ),
    Row::served(
        "presence-topic-members-max",
        "number",
        "100000",
        field!(presence_topic_members_max, NUMBER),
        "Members of one topic. Who begins to watch one of so many gets some ten megabytes.",
    ),
    Row::served(
        "presence-key-members-max",
        "number",
        "10000",
        field!(presence_key_members_max, NUMBER),
        "Members of one key in a topic: a user's tabs and devices, or all guests. They are shown in one piece.",
    ),
    Row::served(
        "presence-session-members-max",
        "number",
        "250000",
        field!(presence_session_members_max, NUMBER),
        "Members of one session, or of one connection: more than an application server has users, and a bound to what one \
         client can cost.",
    ),
    Row::served(
        "presence-members-max",
        "number",
        "1000000",
        field!(presence_members_max, NUMBER),
        "Members of all topics together. So many take 250 megabytes, and their names and metas.",
    ),
    Row::served(
        "presence-sessions-max",
        "number",
        "100000",
        field!(presence_sessions_max, NUMBER),
        "Named sessions: an application server needs one. One that has ended counts as long as another instance, which may \
         have members of it, has yet to hear of it.",
    ),
    Row::served(
        "presence-list-max",
        "keys",
        "10000",
        field!(presence_list_max, NUMBER),
        "Keys of a topic that PRESENCE.LIST shows in one reply; of one that has more it shows none, and PRESENCE.SCAN shows \
         all. Client libraries hold a whole reply before they show anything of it.",
    ),
    Row::served(
        "presence-list-max-bytes",
        "bytes",
        "16777216",
        field!(presence_list_max_bytes, Memory { least: 1024, most: i32::MAX.unsigned_abs() as usize }),
        "Bytes of a reply of PRESENCE.LIST, PRESENCE.GET or PRESENCE.WHERE; see presence-list-max. As many as \
         client-reply-backlog, behind which a client's requests wait.",
    ),
    Row::served(
        "presence-grace",
        "milliseconds",
        "10000",
        field!(presence_grace, Milliseconds),
        "How long the members of a session stay when nobody is attached to it any more: time for an application or a client \
         library to come back, without that anybody sees a leave.",
    ),
    Row::served(
        "presence-down-grace",
        "milliseconds",
        "5000",
        field!(presence_down_grace, Milliseconds),
        "How long the members of another instance stay when it is down: time to be restarted, or for a network to heal.",
    ),
    Row::served(
        "presence-event-interval",
        "milliseconds",
        "50",
        field!(presence_event_interval, Milliseconds),
        "After a change of a topic was sent to its watchers, those of so long go out together; 0 for each at once. Nobody \
         sees the delay, and a thousand joins at once are twenty messages a second.",
    ),
    Row::served(
        "presence-watcher-backlog",
        "bytes",
        "1048576",
        field!(presence_watcher_backlog, Memory { least: 1024, most: usize::MAX }),
        "A watcher that leaves more bytes of changes unread gets, when it reads again, the state as it is then instead. It \
         is not disconnected.",
    ),
    Row::served(
        "presence-key-index",
        "yes|no",
        "yes",
        field!(presence_key_index, YesNo),
        "PRESENCE.WHERE can tell in which topics a key is present. It takes about 25 of a member's 250 bytes.",
    )
    .immutable(),
];
