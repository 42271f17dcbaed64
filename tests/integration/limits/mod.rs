//! What one client may take from the others: connections, memory, time, names.

// maxclients, timeout.
mod connections;

// client-output-buffer-limit: subscribers that do not read.
mod output;

// Requests and replies that pile up: client-reply-backlog, client-write-timeout, client-query-buffer-limit.
mod backlog;

// maxmemory-clients.
mod eviction;

// Subscriptions per client, lengths of names.
mod subscriptions;
