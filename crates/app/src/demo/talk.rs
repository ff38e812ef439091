//! Three weeks of talk in the demonstration world, said through the use cases at their time.

use std::collections::HashMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::{
    conversation::{MessageDraft, MessageRole, Place, Platform},
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
};
use serde::Deserialize;

use super::Stage;
use crate::{
    Cx, Error, Result,
    conversation::{
        HandoffRequest, MessageSend, MessageTarget, ThreadOf, handoff_accept, handoff_request,
        message_send,
    },
    device::{DeviceHeartbeat, device_heartbeat},
};

/// Everybody and everything that the threads name.
#[derive(Debug, Default)]
pub(super) struct Cast {
    /// Persons by name, with the time they live by.
    pub people: HashMap<String, (UserId, Tz)>,
    /// Entities by name.
    pub entities: HashMap<String, EntityId>,
    /// Devices by name.
    pub devices: HashMap<String, DeviceId>,
    /// Where the channels are.
    pub guild: Option<GuildId>,
}

#[derive(Debug, Deserialize)]
struct Script {
    thread: Vec<Talk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Talk {
    entity: String,
    person: String,
    device: Option<String>,
    channel: Option<String>,
    day: i64,
    at: String,
    lines: Vec<String>,
    hand_off: Option<String>,
    #[serde(default)]
    after: Vec<String>,
}

/// Says everything, in order of time. Gives the number of conversations.
pub(super) async fn play(stage: &Stage, cast: &Cast) -> Result<usize> {
    let script: Script = toml::from_str(include_str!("conversations.toml"))
        .map_err(|error| Error::Internal(format!("the demonstration's script: {error}")))?;
    let mut talks = Vec::new();
    for talk in script.thread {
        talks.push((begins(stage, cast, &talk)?, talk));
    }
    talks.sort_by_key(|(begins, _)| *begins);
    let count = talks.len();
    for (begins, talk) in talks {
        stage.set(begins);
        take_place(&stage.cx, stage, cast, talk).await?;
    }
    Ok(count)
}

/// When it begins: the person's own time of that day.
fn begins(stage: &Stage, cast: &Cast, talk: &Talk) -> Result<DateTime<Utc>> {
    let (_, zone) = named(&cast.people, &talk.person)?;
    let at = NaiveTime::parse_from_str(&talk.at, "%H:%M")
        .map_err(|error| Error::Internal(format!("{} is no time: {error}", talk.at)))?;
    let day = stage.begins.date_naive() + TimeDelta::days(talk.day);
    day.and_time(at)
        .and_local_timezone(zone)
        .earliest()
        .map(|it| it.to_utc())
        .ok_or_else(|| Error::Internal(format!("{day} {at} does not exist in {zone}")))
}

async fn take_place(cx: &Cx, stage: &Stage, cast: &Cast, talk: Talk) -> Result<()> {
    let Talk {
        entity,
        person,
        device,
        channel,
        day: _,
        at: _,
        lines,
        hand_off,
        after,
    } = talk;
    let (user, _) = named(&cast.people, &person)?;
    let device = device.map(|it| named(&cast.devices, &it)).transpose()?;
    if let Some(id) = device {
        heard(cx, id).await?;
    }
    let place = Place {
        platform: match device {
            Some(_) => Platform::Device,
            None => Platform::Discord,
        },
        device,
        guild: cast.guild.filter(|_| channel.is_some()),
        channel,
    };
    let mut to = MessageTarget::Thread {
        of: ThreadOf {
            user: Some(user),
            entity: Some(named(&cast.entities, &entity)?),
            place,
        },
        intimacy: None,
    };
    for (n, line) in lines.iter().enumerate() {
        to = say(cx, stage, to, n, line).await?;
    }
    if let (Some(other), MessageTarget::Conversation(conversation)) = (hand_off, &to) {
        let other = named(&cast.devices, &other)?;
        heard(cx, other).await?;
        let request = HandoffRequest {
            conversation: *conversation,
            to: other,
            reason: Some("they went into another room".to_owned()),
            version: None,
        };
        handoff_request(cx, None, request).await?;
        handoff_accept(cx, *conversation, None).await?;
    }
    for (n, line) in after.iter().enumerate() {
        to = say(cx, stage, to, n, line).await?;
    }
    Ok(())
}

/// Says a line, the person the even ones; the next goes to the same conversation.
async fn say(
    cx: &Cx,
    stage: &Stage,
    to: MessageTarget,
    n: usize,
    line: &str,
) -> Result<MessageTarget> {
    let (role, pause) = if n.is_multiple_of(2) {
        (MessageRole::User, 15)
    } else {
        (MessageRole::Assistant, 2)
    };
    stage.pass(TimeDelta::seconds(pause));
    let mut draft = MessageDraft::new(role, line);
    if role == MessageRole::Assistant {
        draft.response_latency_ms = Some(2_000);
    }
    let sent = message_send(cx, None, MessageSend { to, draft }).await?;
    Ok(MessageTarget::Conversation(sent.message.conversation_id))
}

async fn heard(cx: &Cx, id: DeviceId) -> Result<()> {
    let heartbeat = DeviceHeartbeat {
        id: Some(id),
        status: None,
        health: None,
    };
    device_heartbeat(cx, heartbeat).await?;
    Ok(())
}

fn named<T: Copy>(of: &HashMap<String, T>, name: &str) -> Result<T> {
    of.get(name)
        .copied()
        .ok_or_else(|| Error::Internal(format!("the demonstration has no {name}")))
}
