//! `darkroom nats`: the server held against `nats/`.
