//! Messages: what is said, checked before it is kept.

use chrono::{DateTime, Utc};
use url::Url;

use super::ConversationId;
use crate::{
    check::{Check, Invalid, UserErrorCode},
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    persona::PersonaDefinitionId,
    values::Json,
};

id!(
    /// One thing said.
    MessageId, "message"
);

text_enum! {
    /// Who says it.
    pub enum MessageRole {
        /// The person.
        User = "user",
        /// The entity.
        Assistant = "assistant",
        /// Whoever runs the conversation: instructions, notes.
        System = "system",
    }
}

/// A message has at most so many characters.
pub const MAX_CONTENT: usize = 32_000;
/// A message has at most so many images.
pub const MAX_IMAGES: usize = 10;
/// What a device says of itself with a message takes at most so many bytes as JSON.
pub const MAX_DEVICE_STATE_BYTES: usize = 16 * 1_024;
/// An address has at most so many characters.
const MAX_URL: usize = 2_000;
/// A day: longer than anything said in one go.
const MAX_DURATION_MS: i64 = 86_400_000;

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "MessageFields")
)]
pub struct Message {
    /// Stable identifier.
    pub id: MessageId,
    /// In which conversation.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub conversation_id: ConversationId,
    /// Whose conversation that is.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// With which entity.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: Option<EntityId>,
    /// On which device it was said.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// Who says it.
    pub role: MessageRole,
    /// What is said, 1–32 000 characters.
    pub content: String,
    /// The persona definition under which it was said.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub persona_definition_id: Option<PersonaDefinitionId>,
    /// The sender's own id of it, unique in the conversation.
    pub external_id: Option<String>,
    /// Addresses of images, at most 10.
    pub image_urls: Json<Vec<String>>,
    /// Address of the recording.
    pub audio_url: Option<String>,
    /// How long it took to say, in milliseconds.
    pub duration_ms: Option<i32>,
    /// What the device said of itself: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_state: Option<Json<serde_json::Value>>,
    /// How many tokens it takes: as the configured tokenizer counts, else characters / 4.
    pub token_count: Option<i32>,
    /// How long the answer took, in milliseconds.
    pub response_latency_ms: Option<i32>,
    /// How it sounds, from −1 (bad) to 1 (good): the VADER compound score of its words.
    pub sentiment: Option<f64>,
    /// When it was said.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageDraft {
    /// Who says it.
    pub role: MessageRole,
    /// 1–32 000 characters.
    pub content: String,
    /// The sender's own id, 1–200 characters.
    pub external_id: Option<String>,
    /// At most 10, http or https.
    pub image_urls: Vec<String>,
    /// http or https.
    pub audio_url: Option<String>,
    /// 0 ms to a day.
    pub duration_ms: Option<i32>,
    /// A JSON object of at most 16 KiB.
    pub device_state: Option<serde_json::Value>,
    /// 0 ms to a day.
    pub response_latency_ms: Option<i32>,
}

impl MessageDraft {
    /// A draft of nothing but words.
    pub fn new(role: MessageRole, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            external_id: None,
            image_urls: Vec::new(),
            audio_url: None,
            duration_ms: None,
            device_state: None,
            response_latency_ms: None,
        }
    }

    /// The draft, cleaned.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            role,
            content,
            external_id,
            image_urls,
            audio_url,
            duration_ms,
            device_state,
            response_latency_ms,
        } = self;
        let mut check = Check::new();
        let content = check.text("content", &content, 1..=MAX_CONTENT);
        let external_id = check.optional_text("externalId", external_id.as_deref(), 1..=200);
        if image_urls.len() > MAX_IMAGES {
            let message = format!(
                "imageUrls has {} addresses: expected at most {MAX_IMAGES}",
                image_urls.len()
            );
            check.fail(UserErrorCode::TooLong, "imageUrls", message);
        }
        let image_urls = image_urls
            .iter()
            .take(MAX_IMAGES)
            .map(|it| address(&mut check, "imageUrls", it))
            .collect();
        let audio_url = audio_url.map(|it| address(&mut check, "audioUrl", &it));
        for (field, milliseconds) in [
            ("durationMs", duration_ms),
            ("responseLatencyMs", response_latency_ms),
        ] {
            if let Some(it) = milliseconds {
                check.integer(field, it.into(), 0..=MAX_DURATION_MS);
            }
        }
        if let Some(state) = &device_state {
            if state.is_object() {
                check.document("deviceState", state, MAX_DEVICE_STATE_BYTES);
            } else {
                check.fail(
                    UserErrorCode::Invalid,
                    "deviceState",
                    "deviceState must be a JSON object",
                );
            }
        }
        check.done()?;
        Ok(Self {
            role,
            content,
            external_id,
            image_urls,
            audio_url,
            duration_ms,
            device_state,
            response_latency_ms,
        })
    }
}

/// An address on the web. It is kept as it was written and never fetched.
fn address(check: &mut Check, field: &str, text: &str) -> String {
    let text = check.text(field, text, 1..=MAX_URL);
    let of_web = Url::parse(&text).is_ok_and(|it| {
        matches!(it.scheme(), "http" | "https") && it.has_host() && it.password().is_none()
    });
    if !of_web && !text.is_empty() {
        check.fail(
            UserErrorCode::Invalid,
            field,
            format!("{field} must be an http or https address without a password"),
        );
    }
    text
}

/// How many tokens a text takes where no tokenizer is configured: a quarter of its characters,
/// rounded up, and at least one.
pub fn estimated_tokens(text: &str) -> i32 {
    let characters = text.chars().count().div_ceil(4).max(1);
    i32::try_from(characters).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(draft: MessageDraft) -> String {
        match draft.checked() {
            Ok(_) => String::new(),
            Err(Invalid(errors)) => errors
                .iter()
                .map(|it| format!("{}: {}", it.field.join("."), it.message))
                .collect::<Vec<_>>()
                .join("; "),
        }
    }

    #[test]
    fn content_has_1_to_32_000_characters() {
        let of = |n: usize| faults(MessageDraft::new(MessageRole::User, "é".repeat(n)));
        assert_eq!(of(1), "");
        assert_eq!(of(32_000), "");
        assert_eq!(
            of(32_001),
            "content: content has 32001 characters: expected 1 to 32000"
        );
        assert_eq!(
            of(0),
            "content: content must not be blank: give 1 to 32000 characters"
        );
        let nul = MessageDraft::new(MessageRole::User, "a\0b");
        assert_eq!(
            faults(nul),
            "content: content contains a NUL character: remove it"
        );
    }

    #[test]
    fn addresses_are_of_the_web() {
        for (url, ok) in [
            ("https://example.org/a.png", true),
            ("http://127.0.0.1:9000/a.png?x=1", true),
            ("ftp://example.org/a.png", false),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("https://", false),
            ("https://me:secret@example.org/", false),
            ("a.png", false),
        ] {
            let draft = MessageDraft {
                image_urls: vec![url.to_owned()],
                ..MessageDraft::new(MessageRole::User, "see")
            };
            assert_eq!(faults(draft).is_empty(), ok, "{url}");
        }
        let draft = MessageDraft {
            image_urls: vec!["https://example.org/".to_owned(); 11],
            ..MessageDraft::new(MessageRole::User, "see")
        };
        assert_eq!(
            faults(draft),
            "imageUrls: imageUrls has 11 addresses: expected at most 10"
        );
    }

    #[test]
    fn a_token_is_about_four_characters() {
        assert_eq!(estimated_tokens("a"), 1);
        assert_eq!(estimated_tokens("four"), 1);
        assert_eq!(estimated_tokens("fives"), 2);
        assert_eq!(estimated_tokens(&"é".repeat(32_000)), 8_000);
    }
}
