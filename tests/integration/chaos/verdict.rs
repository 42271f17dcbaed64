//! What is wrong with a history.
//!
//! Owns the rules: never twice, never corrupted, never to those who did not ask; in order for each publisher; one order for all
//! of a channel's subscribers at an instance; after a confirmation all that is published, except what a fault excuses. A fault
//! excuses the loss of a message on its way between two instances which the fault concerns if it was sent before the fault
//! ended, and if nothing of its publisher had come in behind it before the fault began: with order kept, it was not lost before.
//! An excuse holds for an instance: what one subscriber there receives, all do.
//! Start with [`judge`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::history::{History, MessageId, Moment, Publication, Session};

/// What was lost, if nothing was wrong.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    pub(crate) received: usize,
    /// Sessions, and instances that seem to have heard late of their subscriptions.
    pub(crate) unheard: BTreeSet<(usize, usize)>,
    /// Messages that an instance lost on their way from another one, by these two, and by whether a counter must know.
    between: BTreeMap<(usize, usize), (BTreeSet<MessageId>, BTreeSet<MessageId>)>,
}

impl Losses {
    /// All that were lost.
    pub(crate) fn count(&self) -> usize {
        self.between.values().map(|(counted, others)| counted.len() + others.len()).sum()
    }

    /// Those lost between these two of which a counter must know.
    pub(crate) fn counted(&self, from: usize, to: usize) -> u64 {
        self.between.get(&(from, to)).map_or(0, |(counted, _)| counted.len() as u64)
    }
}

/// Judges a history. What is wrong is told in words, at most twenty times.
///
/// # Errors
/// What is wrong.
pub(crate) fn judge(history: &History) -> Result<Losses, Vec<String>> {
    let mut wrong = Vec::new();
    let mut losses = Losses::default();
    for (number, session) in history.sessions.iter().enumerate() {
        let who = format!(
            "session {number} at instance {} on {:?} {}",
            session.instance, session.interest.kind, session.interest.name
        );
        let mut say = |what: String| wrong.push(format!("{who}: {what}"));
        check_receipts(history, session, &mut say);
        check_losses(history, number, &mut losses, &mut say);
        losses.received += session.received.len();
    }
    check_one_order(history, &mut wrong);
    check_halves(history, &losses, &mut wrong);
    if wrong.is_empty() { Ok(losses) } else { Err(wrong.into_iter().take(20).collect()) }
}

/// All that came is a message that was sent, to this one, once, and in order.
fn check_receipts(history: &History, session: &Session, say: &mut impl FnMut(String)) {
    session.corrupt.iter().for_each(|what| say(format!("received what nobody has sent: {what}")));
    let mut seen = BTreeSet::new();
    let mut latest = BTreeMap::new();
    for receipt in &session.received {
        let message = receipt.message;
        let Some(publication) = find(history, message) else {
            say(format!("received {message:?}, which nobody has sent"));
            continue;
        };
        if !session.interest.matches(&publication.target) {
            say(format!("received {message:?} on {:?} without having asked for it", publication.target));
        }
        let before = latest.insert(message.publisher, message.sequence);
        if !seen.insert(message) {
            say(format!("received {message:?} twice"));
        } else if let Some(before) = before.filter(|before| *before > message.sequence) {
            say(format!("received {message:?} behind {before}"));
        }
    }
}

fn find(history: &History, message: MessageId) -> Option<&Publication> {
    history.publishers.get(message.publisher)?.publications.get(message.sequence)
}

/// All that was published after the confirmation has come, or is excused.
fn check_losses(history: &History, number: usize, losses: &mut Losses, say: &mut impl FnMut(String)) {
    let session = &history.sessions[number];
    let received: HashMap<MessageId, Moment> =
        session.received.iter().map(|receipt| (receipt.message, receipt.at)).collect();
    // By instance and channel, when the first was acknowledged of what came from there: what was sent before may have been handled
    // before. Not by instance alone: what another subscriber wants, one with a pattern that nobody has heard of gets too.
    let mut heard: HashMap<_, Moment> = HashMap::new();
    for receipt in &session.received {
        if let Some(publication) = find(history, receipt.message) {
            let instance = history.publishers[receipt.message.publisher].instance;
            let acknowledged = publication.acknowledged.unwrap_or(Moment::MAX);
            let first = heard.entry((instance, &publication.target)).or_insert(acknowledged);
            *first = acknowledged.min(*first);
        }
    }
    for (id, publisher) in history.publishers.iter().enumerate() {
        let path = (publisher.instance, session.instance);
        // When the next of this publisher's later messages came, walking from the last to the first: order makes it the least.
        let mut behind: Option<Moment> = None;
        for (sequence, publication) in publisher.publications.iter().enumerate().rev() {
            let message = MessageId { publisher: id, sequence };
            if let Some(at) = received.get(&message) {
                behind = Some(behind.map_or(*at, |behind| behind.min(*at)));
                continue;
            }
            let is_due = publication.acknowledged.is_some()
                && publication.sent > session.confirmed
                && session.interest.matches(&publication.target);
            // Who was cut off does not get what was under way, nor anything later.
            if !is_due || (session.lost.is_some() && behind.is_none()) {
                continue;
            }
            let mut faults = history.faults.iter().filter(|fault| {
                fault.paths.contains(&path)
                    && fault.to.is_none_or(|to| publication.sent < to)
                    && behind.is_none_or(|behind| behind > fault.from)
            });
            let is_unheard = path.0 != path.1
                && heard.get(&(path.0, &publication.target)).is_some_and(|first| publication.sent < *first);
            match faults.next() {
                Some(fault) => {
                    let (counted, others) = losses.between.entry(path).or_default();
                    // Of two faults that excuse it, the one of which less is asked.
                    let is_counted = fault.is_counted && faults.all(|fault| fault.is_counted);
                    if is_counted { counted } else { others }.insert(message);
                }
                None if is_unheard => drop(losses.unheard.insert((number, path.0))),
                None => say(format!("lost {message:?} from instance {}", publisher.instance)),
            }
        }
    }
}

/// All who are subscribed to the same at one instance have received in one order what they have both received of a channel.
fn check_one_order(history: &History, wrong: &mut Vec<String>) {
    let mut groups: BTreeMap<_, Vec<Vec<MessageId>>> = BTreeMap::new();
    for session in &history.sessions {
        let mut by_target: BTreeMap<_, Vec<MessageId>> = BTreeMap::new();
        for receipt in &session.received {
            if let Some(publication) = find(history, receipt.message) {
                by_target.entry(&publication.target).or_default().push(receipt.message);
            }
        }
        for (target, messages) in by_target {
            groups.entry((session.instance, session.interest.kind, target)).or_default().push(messages);
        }
    }
    for ((instance, kind, target), orders) in groups {
        let Some(longest) = orders.iter().max_by_key(|order| order.len()) else { continue };
        let places: HashMap<&MessageId, usize> =
            longest.iter().enumerate().map(|(place, message)| (message, place)).collect();
        for order in &orders {
            let common = order.iter().filter_map(|message| Some((message, *places.get(message)?)));
            let common: Vec<_> = common.collect();
            if let Some(pair) = common.windows(2).find(|pair| pair[0].1 > pair[1].1) {
                wrong.push(format!(
                    "instance {instance}, {kind:?} {target:?}: one received {:?} before {:?}, and another one behind it",
                    pair[0].0, pair[1].0
                ));
            }
        }
    }
}

/// What was lost on its way to an instance was received by nobody there.
fn check_halves(history: &History, losses: &Losses, wrong: &mut Vec<String>) {
    let mut received: HashMap<usize, BTreeSet<MessageId>> = HashMap::new();
    for session in &history.sessions {
        let messages = session.received.iter().map(|receipt| receipt.message);
        received.entry(session.instance).or_default().extend(messages);
    }
    for ((from, to), (counted, others)) in &losses.between {
        let received = received.get(to);
        for message in counted.iter().chain(others) {
            if received.is_some_and(|received| received.contains(message)) {
                wrong.push(format!("{message:?} from instance {from} reached some at {to} and not all"));
            }
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
