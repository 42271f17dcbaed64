//! A process that starts, listens, survives and stops.

// TCP addresses, the Unix socket, and what is said when one cannot be had.
mod listen;

// SIGTERM and SIGINT.
mod stop;

// What goes wrong inside and must stay there: panics, no descriptors left.
mod survive;
