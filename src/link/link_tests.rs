//! Which connections count, and when. What becomes of messages is tested in `world_tests.rs`.

use super::*;
use crate::crdt::Owner;
use crate::link::frame::Start;
use crate::resp::push::ChannelKind;

const ZERO: Duration = Duration::ZERO;

fn me(node: u64, incarnation: u64) -> Me {
    let owner = Owner { node: NodeId(node), incarnation: Incarnation(incarnation) };
    Me { owner, cluster: b"test".to_vec(), features: 0, message_max: 1000, clients: ClientAddress::default() }
}

fn links(node: u64, peer: u64) -> Links {
    Links::new(me(node, 1), NodeId(peer), Settings { data_links: 2, limit_bytes: 10_000 }, node)
}

/// What the peer says of itself.
fn agreed(me: Me, epoch: u64, link: LinkKind) -> Agreed {
    let peer = Hello { versions: VERSIONS, me, epoch, link, data_links: 2 };
    Agreed { peer, version: 1, features: 0 }
}

fn events(links: &mut Links) -> Vec<Event> {
    std::iter::from_fn(|| links.poll_event()).filter(|event| !matches!(event, Event::Wake(_))).collect()
}

fn dials(links: &mut Links) -> Vec<Dial> {
    std::iter::from_fn(|| links.poll_dial()).collect()
}

/// Dials as is due, and opens everything.
fn dial_and_open(links: &mut Links, now: Duration) -> Vec<Dial> {
    links.handle_timeout(now, 0);
    let dials = dials(links);
    for dial in &dials {
        let agreed = agreed(me(2, 1), dial.hello.epoch, dial.hello.link);
        links.established(now, dial.id, &agreed, 0).unwrap();
    }
    dials
}

const LINKS: [LinkKind; 3] = [LinkKind::Control, LinkKind::Data(0), LinkKind::Data(1)];

#[test]
fn the_lower_node_dials_the_whole_set_and_the_higher_one_waits() {
    let mut dialler = links(1, 2);
    assert_eq!(dialler.next_timeout(), Some(ZERO));
    let dials = dial_and_open(&mut dialler, ZERO);
    assert!(dials.iter().map(|dial| dial.hello.link).eq(LINKS));
    assert_eq!(dialler.report().standing, Standing::Up);
    assert_eq!(events(&mut dialler), [Event::Up]);
    let mut acceptor = links(2, 1);
    assert_eq!(acceptor.next_timeout(), None);
    for (at, link) in LINKS.into_iter().enumerate() {
        assert_eq!(acceptor.report().connections, at);
        acceptor.accept(ZERO, &agreed(me(1, 1), 1, link), 0).unwrap();
    }
    assert_eq!(acceptor.report().standing, Standing::Up);
    // It is not for the lower one to be dialled.
    assert_eq!(dialler.accept(ZERO, &agreed(me(2, 1), 9, LINKS[0]), 0), Err(Refused::Misfit));
}

#[test]
fn a_lost_connection_ends_the_set_and_the_next_one_has_a_higher_epoch() {
    let mut dialler = links(1, 2);
    let first = dial_and_open(&mut dialler, ZERO);
    events(&mut dialler);
    dialler.lost(ZERO, first[2].id, 0);
    let closed = first.iter().map(|dial| Event::Close(dial.id));
    assert_eq!(events(&mut dialler), [Event::Down].into_iter().chain(closed).collect::<Vec<_>>());
    assert!(first.iter().all(|dial| !dialler.is_current(dial.id)));
    // What the others have to say is old.
    dialler.lost(ZERO, first[0].id, 0);
    assert_eq!(events(&mut dialler), []);
    let at = dialler.next_timeout().unwrap();
    dialler.handle_timeout(at - Duration::from_millis(1), 0);
    assert_eq!(dials(&mut dialler), []);
    let second = dial_and_open(&mut dialler, at);
    assert!(second[0].hello.epoch > first[0].hello.epoch);
}

#[test]
fn a_higher_epoch_closes_a_lower_one_and_a_lower_one_is_refused() {
    let mut acceptor = links(2, 1);
    let first = LINKS.map(|link| acceptor.accept(ZERO, &agreed(me(1, 1), 1, link), 0).unwrap());
    assert_eq!(acceptor.accept(ZERO, &agreed(me(1, 1), 1, LINKS[1]), 0), Err(Refused::Misfit));
    events(&mut acceptor);
    // Data may come first; it is no link yet.
    let data = acceptor.accept(ZERO, &agreed(me(1, 1), 2, LINKS[2]), 0).unwrap();
    let closed = first.map(Event::Close);
    assert_eq!(events(&mut acceptor), [Event::Down].into_iter().chain(closed).collect::<Vec<_>>());
    assert_eq!(acceptor.accept(ZERO, &agreed(me(1, 1), 1, LINKS[0]), 0), Err(Refused::Stale));
    acceptor.accept(ZERO, &agreed(me(1, 1), 2, LINKS[0]), 0).unwrap();
    assert_eq!(events(&mut acceptor), [Event::Up]);
    // A set that has ended does not come again; that of a later life has any number.
    acceptor.lost(ZERO, data, 0);
    assert_eq!(acceptor.accept(ZERO, &agreed(me(1, 1), 2, LINKS[1]), 0), Err(Refused::Stale));
    assert!(acceptor.accept(ZERO, &agreed(me(1, 2), 1, LINKS[0]), 0).is_ok());
    assert_eq!(acceptor.accept(ZERO, &agreed(me(1, 1), 3, LINKS[0]), 0), Err(Refused::Stale));
}

#[test]
fn all_connections_of_a_set_lead_to_the_same_life_of_the_peer() {
    let mut dialler = links(1, 2);
    dialler.handle_timeout(ZERO, 0);
    let dials = dials(&mut dialler);
    dialler.established(ZERO, dials[0].id, &agreed(me(2, 1), 1, LINKS[0]), 0).unwrap();
    let other = dialler.established(ZERO, dials[1].id, &agreed(me(2, 2), 1, LINKS[1]), 0);
    assert_eq!(other, Err(Refused::OtherLife));
    assert_eq!(dialler.report().standing, Standing::Down);
}

#[test]
fn later_links_to_the_same_peer_go_on_with_higher_epochs() {
    let mut before = links(1, 2);
    let first = dial_and_open(&mut before, Duration::from_secs(5));
    let mut after = links(1, 2);
    let second = dial_and_open(&mut after, Duration::from_secs(6));
    assert!(second[0].hello.epoch > first[0].hello.epoch);
}

#[test]
fn a_set_that_is_never_complete_is_closed() {
    let mut acceptor = links(2, 1);
    let id = acceptor.accept(ZERO, &agreed(me(1, 1), 1, LINKS[0]), 0).unwrap();
    let at = acceptor.next_timeout().unwrap();
    acceptor.handle_timeout(at, 0);
    assert!(events(&mut acceptor).contains(&Event::Close(id)));
    assert_eq!(acceptor.next_timeout(), None);
}

fn publish(links: &mut Links, publisher: u64, length: usize) -> Result<Option<ConnectionId>, Loss> {
    let payload = vec![0; length];
    let frame = Frame::Message { kind: ChannelKind::Global, channel: b"", payload: &payload };
    links.publish(publisher, &Outgoing::new(&frame, &mut Vec::new()))
}

#[test]
fn above_the_limits_messages_are_dropped_whole_counted_and_told() {
    let mut links = links(1, 2);
    let dials = dial_and_open(&mut links, ZERO);
    assert_eq!(publish(&mut links, 0, 1000), Err(Loss::TooLarge));
    let queued = std::iter::repeat_with(|| publish(&mut links, 0, 900)).take_while(Result::is_ok).count();
    assert_eq!(queued, 10);
    let report = links.report();
    assert_eq!((report.dropped[Loss::TooLarge as usize], report.dropped[Loss::Limit as usize]), (1, 1));
    assert!(report.queued_bytes <= 10_100 && report.queued_messages == 10);
    // Told when the peer is known.
    let start = Start { life: 5, ..Start::default() };
    links.handle_frame(dials[0].id, &Frame::Start(start));
    let mut control = Vec::new();
    links.take(dials[0].id, &mut control);
    let mut told = Vec::new();
    Frame::Dropped { loss: Loss::Limit, total: 1 }.append(&mut told);
    Frame::Dropped { loss: Loss::TooLarge, total: 1 }.append(&mut told);
    assert!(control.ends_with(&told));
    links.give_up(ZERO);
    assert_eq!(links.report().dropped[Loss::GivenUp as usize], 10);
    assert_eq!(publish(&mut links, 0, 1), Err(Loss::GivenUp));
}

#[test]
fn a_publisher_keeps_its_connection_and_a_sleeping_one_is_woken_once() {
    let mut links = links(1, 2);
    let dials = dial_and_open(&mut links, ZERO);
    assert_eq!(publish(&mut links, 4, 1), Ok(Some(dials[1].id)));
    assert_eq!(publish(&mut links, 6, 1), Ok(None));
    assert_eq!(publish(&mut links, 5, 1), Ok(Some(dials[2].id)));
    // Nothing is handed over before the peer has said who it is.
    let mut batch = Vec::new();
    assert!(!links.take(dials[1].id, &mut batch) && batch.is_empty());
    links.handle_frame(dials[0].id, &Frame::Start(Start { life: 5, ..Start::default() }));
    let woken: Vec<_> = std::iter::from_fn(|| links.poll_event()).collect();
    assert!(dials[1..].iter().all(|dial| woken.contains(&Event::Wake(dial.id))));
    assert!(!links.take(dials[1].id, &mut batch) && !batch.is_empty());
    assert_eq!(publish(&mut links, 4, 1), Ok(Some(dials[1].id)));
}

#[test]
fn control_has_room_until_it_has_not_and_gives_up_when_it_is_hopeless() {
    let mut links = links(1, 2);
    assert!(!links.has_room());
    let dials = dial_and_open(&mut links, ZERO);
    let part = vec![0; 60_000];
    while links.has_room() {
        links.send(ZERO, &Frame::Presence(&part), 0);
    }
    assert!(links.report().queued_bytes < CONTROL_ROOM_BYTES + 70_000);
    let mut batch = Vec::new();
    while links.take(dials[0].id, &mut batch) {}
    assert!(links.has_room() && links.report().queued_bytes == 0);
    let large = vec![0; CONTROL_BYTES_MAX / 4];
    (0..4).for_each(|_| links.send(ZERO, &Frame::Presence(&large), 0));
    assert_eq!(links.report().standing, Standing::Down);
}

#[test]
fn where_the_peers_clients_are_is_known_from_its_last_hello_on() {
    let mut dialler = links(1, 2);
    assert_eq!(dialler.report().clients, None);
    let dials = dial_and_open(&mut dialler, ZERO);
    assert_eq!(dialler.report().clients, Some(ClientAddress::default()));
    dialler.lost(ZERO, dials[0].id, 0);
    assert_eq!(dialler.report().clients, Some(ClientAddress::default()));
    dialler.handle_timeout(dialler.next_timeout().unwrap(), 0);
    let dial = dialler.poll_dial().unwrap();
    let clients = ClientAddress { port: 7, ..ClientAddress::default() };
    let agreed = agreed(Me { clients, ..me(2, 1) }, dial.hello.epoch, dial.hello.link);
    dialler.established(ZERO, dial.id, &agreed, 0).unwrap();
    assert_eq!(dialler.report().clients, Some(clients));
}
