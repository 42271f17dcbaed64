//! Each publisher's messages leave in order, and a large one holds up nobody but its own publisher.

use proptest::prelude::*;

use super::*;
use crate::link::fragment::Fragments;
use crate::link::frame::{kind, split};
use crate::resp::push::ChannelKind;

fn push(queue: &mut Queue, publisher: u64, number: u8, length: usize) {
    let payload = [&publisher.to_be_bytes()[..], &vec![number; length]].concat();
    let frame = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload: &payload };
    queue.push(publisher, &Outgoing::new(&frame, &mut Vec::new()));
}

/// Reads what is taken: publisher, number, length.
#[derive(Default)]
struct Reader(Fragments);

impl Reader {
    fn read(&mut self, mut bytes: &[u8]) -> Vec<(u64, u8, usize)> {
        let mut messages = Vec::new();
        while let Some((kind, body, length)) = split(bytes, BODY_BYTES_MAX).unwrap() {
            let whole = match kind {
                kind::FRAGMENT => self.0.add(body, usize::MAX).unwrap().map(|(_, body)| body),
                _ => Some(body.to_vec()),
            };
            if let Some(body) = whole {
                let Frame::Message { payload, .. } = Frame::decode(kind::MESSAGE, &body).unwrap().unwrap()
                else {
                    panic!("{body:?}")
                };
                let (publisher, rest) = payload.split_first_chunk().unwrap();
                messages.push((u64::from_be_bytes(*publisher), rest[0], rest.len()));
            }
            bytes = &bytes[length..];
        }
        assert!(bytes.is_empty());
        messages
    }
}

fn take(queue: &mut Queue) -> Vec<u8> {
    let mut batch = Vec::new();
    queue.take(&mut batch);
    batch
}

/// Everything, batch by batch.
fn take_all(queue: &mut Queue) -> Vec<Vec<(u64, u8, usize)>> {
    let (mut reader, mut batches) = (Reader::default(), Vec::new());
    while !queue.is_empty() {
        batches.push(reader.read(&take(queue)));
    }
    assert_eq!((queue.bytes(), queue.messages()), (0, 0));
    batches
}

#[test]
fn small_messages_are_taken_together() {
    let mut queue = Queue::default();
    (0..100).for_each(|number| push(&mut queue, u64::from(number) % 7, number, 10));
    assert_eq!(queue.messages(), 100);
    let batches = take_all(&mut queue);
    assert_eq!(batches.len(), 1);
    assert!(batches[0].iter().map(|(_, number, _)| *number).eq(0..100));
}

#[test]
fn a_large_message_holds_up_only_its_own_publisher() {
    let mut queue = Queue::default();
    push(&mut queue, 1, 1, 10);
    push(&mut queue, 1, 2, 1_000_000);
    push(&mut queue, 1, 3, 10);
    push(&mut queue, 2, 4, 10);
    let mut reader = Reader::default();
    assert_eq!(reader.read(&take(&mut queue)), [(1, 1, 10), (2, 4, 10)]);
    push(&mut queue, 3, 5, 10);
    push(&mut queue, 1, 6, 10);
    assert_eq!(reader.read(&take(&mut queue)), [(3, 5, 10)]);
    let rest: Vec<_> = std::iter::from_fn(|| (!queue.is_empty()).then(|| reader.read(&take(&mut queue))))
        .flatten()
        .collect();
    assert_eq!(rest, [(1, 2, 1_000_000), (1, 3, 10), (1, 6, 10)]);
    assert_eq!((queue.bytes(), queue.messages()), (0, 0));
}

#[test]
fn large_messages_take_turns_eight_at_a_time() {
    let mut queue = Queue::default();
    (0..20).for_each(|publisher| push(&mut queue, publisher, 0, 200_000));
    let order: Vec<_> = take_all(&mut queue).concat().into_iter().map(|(publisher, ..)| publisher).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[test]
fn what_was_handed_over_in_part_is_not_sent_again() {
    let mut queue = Queue::default();
    push(&mut queue, 1, 1, 200_000);
    push(&mut queue, 1, 2, 200_000);
    push(&mut queue, 2, 3, 200_000);
    assert_eq!(queue.take(&mut Vec::new()), Taken { messages: 1, more: true });
    assert_eq!(queue.messages(), 2);
    queue.restart();
    let order: Vec<_> = take_all(&mut queue).concat().into_iter().map(|(_, number, _)| number).collect();
    // Whose turn it was.
    assert_eq!(order, [3, 2]);
}

#[test]
fn one_body_is_shared_by_the_queues_of_all_peers() {
    let payload = vec![1; 100_000];
    let frame = Frame::Message { kind: ChannelKind::Shard, channel: b"news", payload: &payload };
    let mut scratch = Vec::new();
    let frame = Outgoing::new(&frame, &mut scratch);
    let Body::Large(body) = &frame.body else { panic!("it is large") };
    let mut queues = [Queue::default(), Queue::default()];
    queues.iter_mut().for_each(|queue| queue.push(1, &frame));
    let Waiting::Large { cut, .. } = &queues[1].lanes[&1].waiting[0] else { panic!("it is large") };
    assert!(cut.shares(body));
}

#[derive(Clone, Debug)]
enum Deed {
    Push(u64, usize),
    Take,
    /// The next epoch has so many connections.
    Restart(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let length = prop_oneof![8 => 1..2000_usize, 1 => 60_000..70_000_usize, 1 => 100_000..300_000_usize];
    let deed = prop_oneof![
        10 => (0..5_u64, length).prop_map(|(publisher, length)| Deed::Push(publisher, length)),
        5 => Just(Deed::Take),
        1 => (1..4_usize).prop_map(Deed::Restart),
    ];
    proptest::collection::vec(deed, 1..80)
}

proptest! {
    #[test]
    fn each_publisher_is_in_order_and_all_is_accounted_for(deeds in deeds()) {
        let mut queues = vec![Queue::default()];
        let mut readers = vec![Reader::default()];
        let mut numbers = [0_u8; 5];
        let (mut handed, mut seen) = (0, Vec::new());
        for deed in deeds {
            match deed {
                Deed::Push(publisher, length) => {
                    numbers[publisher as usize] += 1;
                    let count = queues.len();
                    let queue = &mut queues[publisher as usize % count];
                    push(queue, publisher, numbers[publisher as usize], length);
                }
                Deed::Take => for (queue, reader) in queues.iter_mut().zip(&mut readers) {
                    let mut batch = Vec::new();
                    handed += queue.take(&mut batch).messages;
                    prop_assert!(batch.len() <= CHUNK_BYTES + 3 * BODY_BYTES_MAX);
                    seen.extend(reader.read(&batch));
                },
                Deed::Restart(count) => {
                    let mut old = std::mem::take(&mut queues);
                    old.iter_mut().for_each(Queue::restart);
                    queues.resize_with(count, Queue::default);
                    old.into_iter().for_each(|queue| queue.move_to(&mut queues, |publisher| publisher as usize % count));
                    readers = (0..count).map(|_| Reader::default()).collect();
                }
            }
        }
        let waiting: u64 = queues.iter().map(Queue::messages).sum();
        prop_assert_eq!(handed + waiting, numbers.iter().map(|number| u64::from(*number)).sum::<u64>());
        queues.iter_mut().zip(&mut readers).for_each(|(queue, reader)| while !queue.is_empty() {
            seen.extend(reader.read(&take(queue)));
        });
        prop_assert!(queues.iter().all(|queue| (queue.bytes(), queue.messages()) == (0, 0)));
        for publisher in 0..5 {
            let of_one: Vec<_> = seen.iter().filter(|seen| seen.0 == publisher).map(|seen| seen.1).collect();
            prop_assert!(of_one.is_sorted_by(|one, next| one < next), "{:?}", of_one);
        }
    }
}
