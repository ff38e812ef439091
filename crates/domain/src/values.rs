//! The shapes every context shares: typed identifiers, text enums and JSON documents.

use std::fmt;

use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// Declares a typed identifier and its TypeID prefix: `id!(UserId, "user")`.
///
/// In the database it is a UUIDv7; at the edge (JSON, GraphQL) it is a
/// [TypeID](https://github.com/jetify-com/typeid/tree/main/spec): the prefix, an
/// underscore and 26 characters of base32, as in `user_01h45ytscbebyvny4gc8cr8ma2`.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "sea-orm", derive(sea_orm::DeriveValueType))]
        pub struct $name(pub ::uuid::Uuid);

        impl $name {
            /// What its TypeID begins with.
            pub const PREFIX: &'static str = $prefix;
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::values::write_typeid(f, Self::PREFIX, self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::values::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::values::read_typeid(Self::PREFIX, text).map(Self)
            }
        }

        impl From<::uuid::Uuid> for $name {
            fn from(id: ::uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for ::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }

        #[cfg(feature = "sea-orm")]
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        #[cfg(feature = "graphql")]
        impl async_graphql::OutputType for $name {
            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <async_graphql::ID as async_graphql::OutputType>::type_name()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                <async_graphql::ID as async_graphql::OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &async_graphql::ContextSelectionSet<'_>,
                _: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                Ok(async_graphql::Value::String(self.to_string()))
            }
        }

        #[cfg(feature = "graphql")]
        impl async_graphql::InputType for $name {
            type RawValueType = Self;

            fn type_name() -> ::std::borrow::Cow<'static, str> {
                <async_graphql::ID as async_graphql::InputType>::type_name()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                <async_graphql::ID as async_graphql::InputType>::create_type_info(registry)
            }

            fn parse(
                value: Option<async_graphql::Value>,
            ) -> async_graphql::InputValueResult<Self> {
                match value.unwrap_or_default() {
                    async_graphql::Value::String(text) => {
                        text.parse().map_err(async_graphql::InputValueError::custom)
                    }
                    other => Err(async_graphql::InputValueError::expected_type(other)),
                }
            }

            fn to_value(&self) -> async_graphql::Value {
                async_graphql::Value::String(self.to_string())
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        #[cfg(feature = "graphql")]
        impl async_graphql::connection::CursorType for $name {
            type Error = $crate::values::IdError;

            fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }

            fn encode_cursor(&self) -> String {
                self.to_string()
            }
        }
    };
}

/// Why a text is not an identifier of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A well-formed TypeID of another kind of thing.
    #[error("expected an id that starts with \"{expected}_\", got one that starts with \"{got}_\"")]
    Prefix {
        /// The prefix the field takes.
        expected: &'static str,
        /// The prefix it was given.
        got: String,
    },
    /// Not a TypeID at all.
    #[error(
        "\"{shown}\" is not an id: expected \"{expected}_\" and 26 characters of base32, \
         as in \"{expected}_01h45ytscbebyvny4gc8cr8ma2\""
    )]
    Malformed {
        /// The prefix the field takes.
        expected: &'static str,
        /// The text, cut to what is safe to repeat.
        shown: String,
    },
}

pub(crate) fn write_typeid(f: &mut fmt::Formatter<'_>, prefix: &str, id: Uuid) -> fmt::Result {
    let prefix = DynamicType::new(prefix).map_err(|_| fmt::Error)?;
    fmt::Display::fmt(&TypeSafeId::from_type_and_uuid(prefix, id), f)
}

pub(crate) fn read_typeid(expected: &'static str, text: &str) -> Result<Uuid, IdError> {
    match text.parse::<TypeSafeId<DynamicType>>() {
        Ok(id) if id.type_prefix() == expected => Ok(id.uuid()),
        Ok(id) => Err(IdError::Prefix {
            expected,
            got: id.type_prefix().to_owned(),
        }),
        Err(_) => Err(IdError::Malformed {
            expected,
            shown: text.chars().filter(|c| !c.is_control()).take(64).collect(),
        }),
    }
}

/// Splits any TypeID into prefix and UUID, for `node(id:)`.
pub fn split_typeid(text: &str) -> Option<(String, Uuid)> {
    let id = text.parse::<TypeSafeId<DynamicType>>().ok()?;
    Some((id.type_prefix().to_owned(), id.uuid()))
}

/// Declares an enum that is TEXT in the database, a snake_case string in JSON and an
/// ALL_CAPS value in GraphQL, with the text of each value written out.
///
/// ```ignore
/// text_enum! {
///     /// How finely time is felt.
///     #[derive(Default)]
///     pub enum TemporalResolution {
///         /// Days and weeks.
///         Low = "low",
///         /// Hours.
///         #[default]
///         Medium = "medium",
///     }
/// }
/// ```
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[cfg_attr(feature = "graphql", derive(async_graphql::Enum))]
        #[cfg_attr(
            feature = "sea-orm",
            derive(sea_orm::EnumIter, sea_orm::DeriveActiveEnum),
            sea_orm(rs_type = "String", db_type = "Text")
        )]
        pub enum $name {
            $(
                $(#[$vmeta])*
                #[serde(rename = $text)]
                #[cfg_attr(feature = "sea-orm", sea_orm(string_value = $text))]
                $variant,
            )+
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is stored and written in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::values::UnknownValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::values::UnknownValue {
                        of: stringify!($name),
                        expected: &[$($text),+],
                    }),
                }
            }
        }
    };
}

/// A text that names no value of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {of}: expected one of {}", expected.join(", "))]
pub struct UnknownValue {
    /// The enum.
    pub of: &'static str,
    /// The texts of its values.
    pub expected: &'static [&'static str],
}

/// A JSON document or array kept in one column: JSONB on PostgreSQL, text on SQLite.
///
/// Wraps a typed value, so that what is in the column is what the type says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T> std::ops::Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(it: T) -> Self {
        Self(it)
    }
}

#[cfg(feature = "graphql")]
impl<T: async_graphql::OutputType> async_graphql::OutputType for Json<T> {
    fn type_name() -> std::borrow::Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &async_graphql::ContextSelectionSet<'_>,
        field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
    ) -> async_graphql::ServerResult<async_graphql::Value> {
        self.0.resolve(ctx, field).await
    }
}

#[cfg(feature = "sea-orm")]
mod json_column {
    use sea_orm::{
        ColIdx, DbErr, QueryResult, TryGetError, TryGetable, Value,
        sea_query::{self, ArrayType, ColumnType, ValueType, ValueTypeErr},
    };
    use serde::{Serialize, de::DeserializeOwned};

    use super::Json;

    impl<T: Serialize> From<Json<T>> for Value {
        fn from(it: Json<T>) -> Self {
            // A `Json` holds only types of ours, whose maps have string keys: always JSON.
            Self::Json(Some(Box::new(
                serde_json::to_value(it.0).unwrap_or_default(),
            )))
        }
    }

    impl<T: DeserializeOwned> TryGetable for Json<T> {
        fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
            let value = serde_json::Value::try_get_by(row, index)?;
            serde_json::from_value(value)
                .map(Self)
                .map_err(|error| TryGetError::DbErr(DbErr::Json(error.to_string())))
        }
    }

    impl<T: DeserializeOwned> ValueType for Json<T> {
        fn try_from(v: Value) -> Result<Self, ValueTypeErr> {
            match v {
                Value::Json(Some(json)) => serde_json::from_value(*json)
                    .map(Self)
                    .map_err(|_| ValueTypeErr),
                _ => Err(ValueTypeErr),
            }
        }

        fn type_name() -> String {
            "Json".to_owned()
        }

        fn array_type() -> ArrayType {
            ArrayType::Json
        }

        fn column_type() -> ColumnType {
            ColumnType::JsonBinary
        }
    }

    impl<T> sea_query::Nullable for Json<T> {
        fn null() -> Value {
            Value::Json(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::*;

    id!(DeviceId, "device");

    #[test]
    fn a_typeid_is_read_and_written() {
        // The valid case of the TypeID specification's test vectors.
        let id = DeviceId(uuid!("01890a5d-ac96-774b-bcce-b302099a8057"));
        assert_eq!(id.to_string(), "device_01h455vb4pex5vsknk084sn02q");
        assert_eq!("device_01h455vb4pex5vsknk084sn02q".parse(), Ok(id));
    }

    #[test]
    fn a_wrong_id_says_what_would_be_right() {
        let prefix = "user_01h455vb4pex5vsknk084sn02q"
            .parse::<DeviceId>()
            .unwrap_err();
        insta::assert_snapshot!(
            prefix,
            @r#"expected an id that starts with "device_", got one that starts with "user_""#
        );
        for text in [
            "",
            "device_",
            "7",
            "device_01H455VB4PEX5VSKNK084SN02Q",
            "../etc\0",
            "déjà_x",
        ] {
            assert!(
                matches!(text.parse::<DeviceId>(), Err(IdError::Malformed { .. })),
                "{text:?} was taken"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn ids_round_trip_and_no_text_panics(bits: u128, text in ".*") {
            let id = DeviceId(Uuid::from_u128(bits));
            proptest::prop_assert_eq!(id.to_string().parse(), Ok(id));
            let _ = text.parse::<DeviceId>();
            let _ = split_typeid(&text);
        }
    }
}
