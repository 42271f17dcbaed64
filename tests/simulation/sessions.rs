//! Applications: each has a session, connections to several instances, and users that come and go.
//!
//! Owns what an application does and what it believes. An application tracks all its members again when it is told that
//! its session was not resumed, as the documentation asks of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hereabouts::presence::{Member, Meta, Name, Notice, SessionName, Stamp};

use crate::presence_world::{Act, FAULTS_END, GRACE, LEASE_MAX, World};
use crate::schedule::Step;

/// What an application asks of an instance.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Track(u64),
    /// The same meta again, as a library that retries does.
    TrackAgain(u64),
    TrackNew(u64),
    Update(u64),
    Merge(u64),
    Untrack(u64),
    /// Of one topic, or of all.
    UntrackAll(Option<&'static str>),
    TrackAll,
    End,
}

/// Why a session lives: an attachment, or without a client a lease, which ends.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) instance: usize,
    pub(crate) life: u64,
    pub(crate) client: Option<u64>,
    pub(crate) since: u64,
    pub(crate) until: u64,
}

pub(crate) struct Application {
    number: usize,
    pub(crate) session: Arc<str>,
    generation: u64,
    pub(crate) running: bool,
    subscribes: bool,
    /// Milliseconds of its lease, and the grace that it asks for.
    lease: Option<(u64, Option<u64>)>,
    /// It tracks all again when an instance dies that it used.
    careful: bool,
    /// It uses instances that those where it is attached do not see.
    anywhere: bool,
    pub(crate) holds: Vec<Hold>,
    /// What it believes to be present, and under which number.
    pub(crate) wanted: BTreeMap<Name, (u64, Stamp)>,
    /// It has used these instances of late.
    pool: Vec<(usize, u64)>,
    /// Since when nothing has kept the session alive.
    pub(crate) away_since: Option<u64>,
    /// When nothing did, in the last half minute.
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) ended_at: u64,
    pub(crate) tracks_again: bool,
    pub(crate) attach_at: Option<u64>,
    touch_at: u64,
    start_at: u64,
}

pub(crate) const TOPICS: [&str; 2] = ["lobby", "game"];

impl Application {
    fn new(number: usize, generation: u64, start_at: u64) -> Self {
        Application {
            number,
            session: format!("s{number}-{generation}").into(),
            generation,
            running: false,
            subscribes: true,
            lease: None,
            careful: true,
            anywhere: false,
            holds: Vec::new(),
            wanted: BTreeMap::new(),
            pool: Vec::new(),
            away_since: None,
            gaps: Vec::new(),
            ended_at: 0,
            tracks_again: false,
            attach_at: None,
            touch_at: 0,
            start_at,
        }
    }

    pub(crate) fn name(&self, user: u64) -> Name {
        let topic = TOPICS[(user % 2) as usize];
        let id = if user == 3 { "phone" } else { "" };
        let key = format!("u{}", user.min(2) + self.number as u64 % 2);
        Member::new(topic.into(), &key, SessionName::Named(self.session.clone()), id).into()
    }

    /// The shortest time without it after which its members may leave.
    pub(crate) fn least_grace(&self) -> u64 {
        self.lease.and_then(|(_, grace)| grace).unwrap_or(GRACE).min(GRACE)
    }

    fn note_use(&mut self, instance: usize, life: u64) {
        if !self.pool.contains(&(instance, life)) {
            self.pool.push((instance, life));
        }
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.lease.is_some()
    }
}

pub(crate) fn meta(number: u64) -> Meta {
    Meta::parse(format!("{{\"n\":{number}}}").as_bytes(), 100).unwrap()
}

impl World {
    pub(crate) fn open_applications(&mut self) {
        let count = self.net.random.between(2, 5) as usize;
        for number in 0..count {
            let start_at = 1_200 + self.net.random.below(3_000);
            self.applications.push(Application::new(number, 0, start_at));
            self.draw_habits(number);
            self.net.plan(200, Step::Act(Act::Application(number)));
        }
    }

    fn draw_habits(&mut self, number: usize) {
        let random = &mut self.net.random;
        let application = &mut self.applications[number];
        let kind = random.below(10);
        application.subscribes = kind < 7;
        let grace = random.chance(300).then(|| random.between(3_000, GRACE));
        application.lease = (kind > 5).then(|| (random.between(2_000, LEASE_MAX), grace));
        application.careful = random.chance(700);
        application.anywhere = random.chance(500);
    }

    pub(crate) fn run_application(&mut self, number: usize) -> Result<(), String> {
        let again = if self.net.now < FAULTS_END { self.net.random.between(60, 160) } else { 500 };
        self.net.plan(again, Step::Act(Act::Application(number)));
        self.drop_holds(number);
        let now = self.net.now;
        let application = &self.applications[number];
        if !application.running {
            if now >= application.start_at && now < FAULTS_END {
                self.net
                    .tell(|| format!("application {number} starts as {}", self.applications[number].session));
                self.applications[number].running = true;
            }
            return Ok(());
        }
        self.keep_alive(number)?;
        if now < FAULTS_END { self.do_something(number) } else { Ok(()) }
    }

    /// Those of its holds that are over go.
    fn drop_holds(&mut self, number: usize) {
        let (now, net) = (self.net.now, &self.net);
        let application = &mut self.applications[number];
        application.holds.retain(|hold| net.lives(hold.instance, hold.life) && hold.until > now);
        match (application.holds.is_empty(), application.away_since) {
            (true, None) => application.away_since = Some(now),
            (false, Some(since)) => {
                application.gaps.push((since, now));
                application.away_since = None;
            }
            _ => {}
        }
        application.gaps.retain(|(_, end)| now - end < 30_000);
        let lost = application.pool.iter().any(|(instance, life)| !net.lives(*instance, *life));
        application.pool.retain(|(instance, life)| net.lives(*instance, *life));
        if lost && application.running && application.careful {
            self.plan_tracking_again(number, "a connection broke");
        }
    }

    pub(crate) fn plan_tracking_again(&mut self, number: usize, why: &str) {
        let application = &mut self.applications[number];
        if application.tracks_again || !application.running {
            return;
        }
        application.tracks_again = true;
        self.net.tell(|| format!("application {number} will track all again: {why}"));
        let after = self.net.random.between(10, 600);
        self.net.plan(after, Step::Act(Act::Deed(number, Deed::TrackAll)));
    }

    fn keep_alive(&mut self, number: usize) -> Result<(), String> {
        let now = self.net.now;
        let quiet = now >= FAULTS_END;
        let application = &self.applications[number];
        let attached = application.holds.iter().any(|hold| hold.client.is_some());
        if application.subscribes && !attached {
            match application.attach_at {
                None => {
                    let long = !quiet && self.net.random.chance(120);
                    let after = if long {
                        self.net.random.between(6_000, 16_000)
                    } else {
                        self.net.random.between(30, 2_500)
                    };
                    self.applications[number].attach_at = Some(now + after);
                }
                // When the faults are over nobody is late any more.
                Some(at) if now >= at || quiet && now > FAULTS_END + 2_500 => {
                    if let Some(instance) = self.choose_any() {
                        self.applications[number].attach_at = None;
                        self.attach(number, instance)?;
                    }
                }
                Some(_) => {}
            }
        }
        let application = &self.applications[number];
        if application.lease.is_some()
            && now >= application.touch_at
            && let Some(instance) = self.choose_any()
        {
            self.touch(number, instance)?;
        }
        Ok(())
    }

    /// Any instance that answers.
    pub(crate) fn choose_any(&mut self) -> Option<usize> {
        let usable: Vec<usize> = (0..self.net.instances.len()).filter(|index| self.usable(*index)).collect();
        (!usable.is_empty()).then(|| usable[self.net.random.below(usable.len() as u64) as usize])
    }

    /// An instance for a command.
    pub(crate) fn choose(&mut self, number: usize) -> Option<usize> {
        let application = &self.applications[number];
        let anywhere = application.anywhere;
        let near = |index: &usize| {
            anywhere || application.holds.iter().all(|hold| self.net.sees(hold.instance, *index))
        };
        let usable: Vec<usize> =
            (0..self.net.instances.len()).filter(|index| self.usable(*index)).filter(near).collect();
        (!usable.is_empty()).then(|| usable[self.net.random.below(usable.len() as u64) as usize])
    }

    pub(crate) fn attach(&mut self, number: usize, instance: usize) -> Result<(), String> {
        self.next_client += 1;
        let client = self.next_client;
        let now = self.net.clocks(instance);
        let life = self.net.instances[instance].life;
        let session = self.applications[number].session.clone();
        self.net.tell(|| format!("{session} attaches at {instance} as client {client}"));
        let hold = Hold { instance, life, client: Some(client), since: self.net.now, until: u64::MAX };
        self.applications[number].holds.push(hold);
        self.drop_holds(number);
        let Some(machine) = &mut self.net.instances[instance].machine else { return Ok(()) };
        machine.attach(now, &session, client);
        self.drain(instance)
    }

    fn touch(&mut self, number: usize, instance: usize) -> Result<(), String> {
        let Some((ttl_ms, grace_ms)) = self.applications[number].lease else { return Ok(()) };
        let now = self.net.clocks(instance);
        let life = self.net.instances[instance].life;
        let session = self.applications[number].session.clone();
        let Some(machine) = &mut self.net.instances[instance].machine else { return Ok(()) };
        let alive = machine
            .touch(now, &session, ttl_ms, grace_ms)
            .map_err(|refusal| format!("TOUCH: {refusal:?}"))?;
        self.net
            .tell(|| format!("{session} is touched at {instance} for {ttl_ms}, grace {grace_ms:?}: {alive}"));
        let (now, late) = (self.net.now, self.net.now < FAULTS_END && self.net.random.chance(30));
        let application = &mut self.applications[number];
        let known =
            application.holds.iter_mut().find(|hold| hold.instance == instance && hold.client.is_none());
        match known {
            Some(hold) => hold.until = now + ttl_ms,
            None => {
                application.holds.push(Hold { instance, life, client: None, since: now, until: now + ttl_ms })
            }
        }
        application.note_use(instance, life);
        // When the faults are over nobody is late any more.
        let away_ms = if late { (2 * ttl_ms + 8_000).min(FAULTS_END - now) } else { ttl_ms / 3 };
        application.touch_at = now + away_ms;
        self.drop_holds(number);
        self.net.reached.note("leases lapsed", u64::from(late));
        if !alive {
            self.doubt(number);
            if !self.applications[number].wanted.is_empty() {
                self.plan_tracking_again(number, "the session was not alive");
            }
        }
        self.drain(instance)
    }

    /// The session was lost: of members that the application does not know as present none can tell.
    fn doubt(&mut self, number: usize) {
        let application = &self.applications[number];
        let names: Vec<Name> = self.truth.of_session(&application.session).cloned().collect();
        for name in names {
            if !application.wanted.contains_key(&name) {
                self.truth.doubtful.insert(name);
            }
        }
    }

    /// What an instance tells the clients that are attached there.
    pub(crate) fn hear(&mut self, index: usize, notice: Notice) -> Result<(), String> {
        let Notice { session, client, members, resumed } = notice;
        self.net
            .tell(|| format!("{index} tells {session} ({client:?}): {members} members, resumed: {resumed}"));
        let life = self.net.instances[index].life;
        let number = self.applications.iter().position(|application| {
            application.session == session
                && application.holds.iter().any(|hold| {
                    hold.instance == index
                        && hold.life == life
                        && hold.client.is_some()
                        && (client.is_none() || hold.client == client)
                })
        });
        let Some(number) = number else { return Ok(()) };
        if resumed {
            self.net.reached.note("resumed", 1);
        } else {
            self.doubt(number);
            if !self.applications[number].wanted.is_empty() {
                self.net.reached.note("not resumed", 1);
                self.plan_tracking_again(number, "it was not resumed");
            }
        }
        Ok(())
    }

    /// One of its holds ends.
    pub(crate) fn detach(&mut self, number: usize, place: usize, named: bool) -> Result<(), String> {
        let hold = self.applications[number].holds.remove(place);
        let session = self.applications[number].session.clone();
        self.net.tell(|| format!("{session} lets go of {hold:?}, named: {named}"));
        let Some(client) = hold.client else {
            // A lease can only lapse.
            self.applications[number].touch_at = self.net.now + 100_000;
            self.applications[number].holds.push(hold);
            return Ok(());
        };
        if self.net.lives(hold.instance, hold.life) {
            self.detach_at((hold.instance, hold.life), &session, client, named)?;
        }
        self.drop_holds(number);
        Ok(())
    }

    /// The process dies, all its connections with it. It comes back with another session, or with the same one, which
    /// it ends first.
    pub(crate) fn crash(&mut self, number: usize, same: bool) -> Result<(), String> {
        self.net.tell(|| format!("application {number} dies"));
        self.net.reached.note("applications died", 1);
        self.let_go(number)?;
        let now = self.net.now;
        let after = if self.net.random.chance(500) { 500 } else { 20_000 };
        let application = &mut self.applications[number];
        if same {
            application.running = false;
            application.start_at = now + after;
            application.touch_at = application.start_at;
            application.wanted.clear();
            let names: Vec<Name> = self.truth.of_session(&application.session).cloned().collect();
            self.truth.doubtful.extend(names);
            self.plan_deed(number, after + 1_000, Deed::End);
            return Ok(());
        }
        let generation = application.generation + 1;
        let next = Application::new(number, generation, now + after);
        let former = std::mem::replace(application, next);
        self.draw_habits(number);
        // A lease of it runs out.
        let over_at = former.holds.iter().map(|hold| hold.until).fold(now, u64::max);
        self.retired.insert(former.session, over_at);
        Ok(())
    }

    fn let_go(&mut self, number: usize) -> Result<(), String> {
        while let Some(place) = self.applications[number].holds.iter().position(|hold| hold.client.is_some())
        {
            self.detach(number, place, false)?;
        }
        self.applications[number].tracks_again = false;
        self.applications[number].attach_at = None;
        Ok(())
    }

    /// All that is left is ended, in one way or another.
    pub(crate) fn end_all(&mut self) -> Result<(), String> {
        for number in 0..self.applications.len() {
            let ends = self.net.random.chance(600);
            if ends {
                self.do_deed(number, Deed::End)?;
            }
            self.let_go(number)?;
            self.applications[number].running = false;
            self.applications[number].start_at = u64::MAX;
        }
        while let Some(open) = self.connections.first() {
            let client = open.client;
            self.hang_up(client)?;
        }
        Ok(())
    }

    /// The clients of an instance that is about to end are closed.
    pub(crate) fn close_clients(&mut self, index: usize) -> Result<(), String> {
        for number in 0..self.applications.len() {
            let here = |hold: &Hold| hold.instance == index && hold.client.is_some();
            while let Some(place) = self.applications[number].holds.iter().position(here) {
                self.detach(number, place, false)?;
            }
        }
        let clients: Vec<u64> =
            self.connections.iter().filter(|open| open.instance == index).map(|open| open.client).collect();
        clients.into_iter().try_for_each(|client| self.hang_up(client))
    }

    /// Carries out one command, at an instance that the application chooses.
    pub(crate) fn do_deed(&mut self, number: usize, deed: Deed) -> Result<(), String> {
        if !self.applications[number].running {
            return Ok(());
        }
        let Some(instance) = self.choose(number) else {
            if matches!(deed, Deed::TrackAll | Deed::End) {
                self.plan_deed(number, 300, deed);
            }
            return Ok(());
        };
        let life = self.net.instances[instance].life;
        self.applications[number].note_use(instance, life);
        self.carry_out(number, instance, deed)?;
        self.drain(instance)
    }
}
