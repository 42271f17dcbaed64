//! What was published, received and done to the instances, in the order in which it happened.
//!
//! Owns the record and the payloads by which a message proves where it comes from. Moments are numbers that grow: the clock of
//! the machine plays no part in what is right. What is wrong with a history is found by `verdict.rs`. Start with [`History`].

use std::collections::BTreeMap;

use twox_hash::XxHash3_64;

/// A moment: of two, the later has the higher number.
pub(crate) type Moment = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

/// What somebody is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interest {
    pub(crate) kind: Kind,
    /// A pattern is a beginning and an asterisk.
    pub(crate) name: String,
}

impl Interest {
    pub(crate) fn new(kind: Kind, name: &str) -> Interest {
        Interest { kind, name: name.to_owned() }
    }

    pub(crate) fn matches(&self, target: &Target) -> bool {
        match self.kind {
            Kind::Channel => !target.is_shard && target.name == self.name,
            Kind::Shard => target.is_shard && target.name == self.name,
            Kind::Pattern => !target.is_shard && target.name.starts_with(self.name.trim_end_matches('*')),
        }
    }
}

/// Where something is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    pub(crate) is_shard: bool,
    pub(crate) name: String,
}

/// A message: which publisher, and its how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId {
    pub(crate) publisher: usize,
    pub(crate) sequence: usize,
}

#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) target: Target,
    pub(crate) sent: Moment,
    /// When the reply came, if it did.
    pub(crate) acknowledged: Option<Moment>,
}

/// One connection that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) instance: usize,
    /// By sequence.
    pub(crate) publications: Vec<Publication>,
    /// When the connection was lost.
    pub(crate) lost: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) message: MessageId,
    pub(crate) at: Moment,
}

/// One connection with one subscription.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) instance: usize,
    pub(crate) interest: Interest,
    pub(crate) confirmed: Moment,
    /// When the connection was lost.
    pub(crate) lost: Option<Moment>,
    pub(crate) received: Vec<Receipt>,
    /// By publisher, the highest sequence.
    pub(crate) latest: BTreeMap<usize, usize>,
    /// What came and was no message of ours.
    pub(crate) corrupt: Vec<String>,
}

/// Something was done to what lies between instances.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    /// From which instance to which messages may be lost, and only those.
    pub(crate) paths: Vec<(usize, usize)>,
    /// Whether each loss must be found in a counter.
    pub(crate) is_counted: bool,
    pub(crate) from: Moment,
    pub(crate) to: Option<Moment>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    now: Moment,
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) faults: Vec<Fault>,
}

impl History {
    pub(crate) fn moment(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    pub(crate) fn add_publisher(&mut self, instance: usize) -> usize {
        self.publishers.push(Publisher { instance, publications: Vec::new(), lost: None });
        self.publishers.len() - 1
    }

    /// Called before it is sent. Returns what is to be sent, with so many bytes of filler at least.
    pub(crate) fn publish(&mut self, publisher: usize, target: Target, filler: usize) -> (MessageId, String) {
        let sent = self.moment();
        let publications = &mut self.publishers[publisher].publications;
        let message = MessageId { publisher, sequence: publications.len() };
        let payload = payload(message, &target.name, filler);
        publications.push(Publication { target, sent, acknowledged: None });
        (message, payload)
    }

    /// The reply has come.
    pub(crate) fn acknowledge(&mut self, message: MessageId) {
        let now = self.moment();
        self.publishers[message.publisher].publications[message.sequence].acknowledged = Some(now);
    }

    pub(crate) fn lose_publisher(&mut self, publisher: usize) {
        let now = self.moment();
        self.publishers[publisher].lost = Some(now);
    }

    /// The subscription is confirmed.
    pub(crate) fn confirm(&mut self, instance: usize, interest: Interest) -> usize {
        let confirmed = self.moment();
        self.sessions.push(Session {
            instance,
            interest,
            confirmed,
            lost: None,
            received: Vec::new(),
            latest: BTreeMap::new(),
            corrupt: Vec::new(),
        });
        self.sessions.len() - 1
    }

    /// Something has come over a channel.
    pub(crate) fn receive(&mut self, session: usize, channel: &str, payload: &str) {
        let at = self.moment();
        let session = &mut self.sessions[session];
        match message_of(channel, payload) {
            Some(message) => {
                session.received.push(Receipt { message, at });
                let latest = session.latest.entry(message.publisher).or_default();
                *latest = message.sequence.max(*latest);
            }
            None => session.corrupt.push(format!("{channel:?}: {payload:?}")),
        }
    }

    pub(crate) fn lose_session(&mut self, session: usize) {
        let now = self.moment();
        self.sessions[session].lost = Some(now);
    }

    /// Called before it is done.
    pub(crate) fn begin_fault(&mut self, what: &str, paths: Vec<(usize, usize)>, is_counted: bool) -> usize {
        let from = self.moment();
        self.faults.push(Fault { what: what.to_owned(), paths, is_counted, from, to: None });
        self.faults.len() - 1
    }

    /// Called when all works again.
    pub(crate) fn end_fault(&mut self, fault: usize) {
        let now = self.moment();
        self.faults[fault].to = Some(now);
    }

    /// Whether everybody at these instances has received something that each publisher there has sent after `sequences`. Each of
    /// them publishes to everybody.
    pub(crate) fn has_passed(&self, instances: &[usize], sequences: &BTreeMap<usize, usize>) -> bool {
        let mut sessions = self
            .sessions
            .iter()
            .filter(|session| session.lost.is_none() && instances.contains(&session.instance));
        sessions.all(|session| {
            sequences.iter().all(|(publisher, sequence)| {
                let publisher_lost = self.publishers[*publisher].lost.is_some();
                publisher_lost || session.latest.get(publisher).is_some_and(|latest| latest >= sequence)
            })
        })
    }

    /// How much each publisher at these instances has sent.
    pub(crate) fn sequences(&self, instances: &[usize]) -> BTreeMap<usize, usize> {
        let publishers = self.publishers.iter().enumerate();
        publishers
            .filter(|(_, publisher)| publisher.lost.is_none() && instances.contains(&publisher.instance))
            .map(|(id, publisher)| (id, publisher.publications.len()))
            .collect()
    }

    /// Whether everybody has received the last message that was meant for him and acknowledged, of each publisher.
    pub(crate) fn is_drained(&self) -> bool {
        let mut sessions = self.sessions.iter().filter(|session| session.lost.is_none());
        sessions.all(|session| {
            self.publishers.iter().enumerate().filter(|(_, publisher)| publisher.lost.is_none()).all(
                |(id, publisher)| {
                    let last = publisher.publications.iter().rposition(|publication| {
                        publication.acknowledged.is_some()
                            && publication.sent > session.confirmed
                            && session.interest.matches(&publication.target)
                    });
                    last.is_none_or(|last| session.latest.get(&id).is_some_and(|latest| *latest >= last))
                },
            )
        })
    }
}

/// The id, the channel, something of varying length, and a hash of all that.
fn payload(message: MessageId, channel: &str, filler: usize) -> String {
    let filler = "x".repeat(filler + message.sequence * 37 % 200);
    let text = format!("{}/{}/{channel}/{filler}", message.publisher, message.sequence);
    format!("{text}/{:016x}", XxHash3_64::oneshot(text.as_bytes()))
}

/// Nothing if the payload is not as it was made, or for another channel.
fn message_of(channel: &str, payload: &str) -> Option<MessageId> {
    let (text, hash) = payload.rsplit_once('/')?;
    let is_whole = u64::from_str_radix(hash, 16) == Ok(XxHash3_64::oneshot(text.as_bytes()));
    let mut parts = text.split('/');
    let publisher = parts.next()?.parse().ok()?;
    let sequence = parts.next()?.parse().ok()?;
    (is_whole && parts.next()? == channel).then_some(MessageId { publisher, sequence })
}
