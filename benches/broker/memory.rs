//! Loads that measure how a server's resident memory grows. Must not know what the server is.

use std::io;
use std::thread;
use std::time::Duration;

use crate::connect::{connect, connect_all, exchange_all};
use crate::presence;
use crate::sample::{Metric, Sample};
use crate::servers::Server;
use crate::traffic::channel_name;

/// What there is more and more of.
#[derive(Clone, Copy)]
pub(crate) enum Growth {
    /// Subscriptions of one client, each to a channel that nobody else has.
    OwnChannels { from: usize, to: usize },
    /// Subscriptions of many clients, all of them to the same channels.
    SharedChannels { clients: usize, channels: usize },
    /// Connections, each with one subscription to a channel of its own.
    Connections { from: usize, to: usize },
    /// Members of one session.
    Members { from: usize, to: usize },
}

/// Bytes for each thing more.
pub(crate) fn measure(growth: Growth, server: &dyn Server, settling: Duration) -> io::Result<Sample> {
    let observed = Observed { server, settling };
    let (before, after, things) = match growth {
        Growth::OwnChannels { from, to } => observed.own_channels(from, to)?,
        Growth::SharedChannels { clients, channels } => observed.shared_channels(clients, channels)?,
        Growth::Connections { from, to } => observed.connections(from, to)?,
        Growth::Members { from, to } => observed.members(from, to)?,
    };
    let mut sample = Sample::default();
    sample.set(Metric::Resident, Some(after));
    sample.set(Metric::BytesEach, Some((after - before) / things as f64));
    Ok(sample)
}

struct Observed<'a> {
    server: &'a dyn Server,
    settling: Duration,
}

impl Observed<'_> {
    /// Resident bytes, once the server has had time to give back what it needed only for the work.
    fn settled(&self) -> io::Result<f64> {
        thread::sleep(self.settling);
        let resident = self.server.resident()?.map(|bytes| bytes as f64);
        resident.ok_or_else(|| io::Error::other("the server has no process of its own"))
    }

    fn own_channels(&self, from: usize, to: usize) -> io::Result<(f64, f64, usize)> {
        let (address, wire) = (self.server.address(), self.server.wire());
        let subscribe = |nth| wire.subscribe(&channel_name(nth), nth + 1);
        let mut client = connect(address, wire)?;
        exchange_all(&mut client, wire, (0..from).map(subscribe))?;
        let before = self.settled()?;
        exchange_all(&mut client, wire, (from..to).map(subscribe))?;
        Ok((before, self.settled()?, to - from))
    }

    /// Before: each client has one of the channels, each channel has a subscriber. After: all have all.
    fn shared_channels(&self, clients: usize, channels: usize) -> io::Result<(f64, f64, usize)> {
        let (address, wire) = (self.server.address(), self.server.wire());
        let channel = |client: usize, nth: usize| channel_name((client + nth) % channels);
        let first = (0..clients).map(|client| wire.subscribe(&channel(client, 0), 1));
        let mut streams = connect_all(address, wire, first)?;
        let before = self.settled()?;
        for (client, stream) in streams.iter_mut().enumerate() {
            let others = (1..channels).map(|nth| wire.subscribe(&channel(client, nth), nth + 1));
            exchange_all(stream, wire, others)?;
        }
        Ok((before, self.settled()?, clients * (channels - 1)))
    }

    fn connections(&self, from: usize, to: usize) -> io::Result<(f64, f64, usize)> {
        let (address, wire) = (self.server.address(), self.server.wire());
        let subscribe = |nth| wire.subscribe(&channel_name(nth), 1);
        let _first = connect_all(address, wire, (0..from).map(subscribe))?;
        let before = self.settled()?;
        let _others = connect_all(address, wire, (from..to).map(subscribe))?;
        Ok((before, self.settled()?, to - from))
    }

    fn members(&self, from: usize, to: usize) -> io::Result<(f64, f64, usize)> {
        let mut holder = presence::Holder::connect(self.server.address())?;
        holder.track_in_topics(0..from as u64)?;
        let before = self.settled()?;
        holder.track_in_topics(from as u64..to as u64)?;
        Ok((before, self.settled()?, to - from))
    }
}
