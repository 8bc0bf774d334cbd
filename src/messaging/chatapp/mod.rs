//! ChatApp HTTP API.
