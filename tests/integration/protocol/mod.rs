//! Bytes in, requests out: what is understood, what is refused, and that neither depends on how the bytes were cut.

// Requests typed by hand.
mod inline;

// One request in many pieces, many requests in one piece.
mod pieces;

// What is refused, the text, and the close that follows.
mod refused;

// Limits for those who have not authenticated.
mod unauthenticated;

// Unknown commands, and what of the request is repeated in the reply.
mod unknown;
