//! What reads language: embedders, sentiment, large language models. Behind small traits;
//! `app` decides when to use them and what to do when they fail.

pub mod llm;
pub mod sentiment;
pub mod tokens;
