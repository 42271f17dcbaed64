//! Publish and subscribe as a client sees it.

// SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their counterparts: confirmations and counts.
mod subscribe;

// What PUBLISH and SPUBLISH deliver to whom, and what they answer.
mod deliver;

// MPUBLISH.
mod multi_publish;

// Which patterns match which channels.
mod patterns;

// What a RESP2 client with subscriptions may and may not do.
mod subscribed_mode;

// PUBSUB CHANNELS, NUMSUB, NUMPAT, SHARDCHANNELS, SHARDNUMSUB, HELP.
mod introspect;

// PUBSUB SUBSCRIBERS, SHARDSUBSCRIBERS, STATS.
mod observe;

// What comes before what, on one connection and between several.
mod order;

// Publishes and subscribes that are too large to be done in one go.
mod fan_out;

// Many subscribers, many subscriptions.
mod scale;

// Several brokers: who is told what, and that all are counted.
mod brokers;
