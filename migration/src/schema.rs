//! The language in which tables are declared: one declaration, both engines.
//!
//! A column is made by the function that names its kind ([`text`], [`score`], [`one_of`], …) and
//! is not null unless it is [`optional`](Column::optional). What each kind becomes on SQLite and
//! PostgreSQL is the business of [`engine`](crate::engine) alone.

/// The tables and views of one context, in the order in which they are created.
#[derive(Debug)]
pub struct Context {
    /// The context's name, as in every crate: `identity`, `dna`, …
    pub name: &'static str,
    pub tables: Vec<Table>,
    pub views: Vec<View>,
}

/// A view: the same `SELECT` on both engines.
#[derive(Debug)]
pub struct View {
    pub name: &'static str,
    pub select: &'static str,
}

/// A table. Every table has `id` and `created_at`; one whose rows change has `updated_at` too.
#[derive(Debug)]
#[must_use]
pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    pub checks: Vec<TableCheck>,
    /// Columns of the full-text index; empty for none.
    pub full_text: Vec<&'static str>,
    /// Documents searched by their members (GIN, PostgreSQL only).
    pub inverted: Vec<&'static str>,
    /// A vector searched by cosine distance (HNSW, PostgreSQL only).
    pub nearest: Option<&'static str>,
}

/// A rule over several columns of a row.
#[derive(Debug)]
pub struct TableCheck {
    pub name: &'static str,
    /// SQL that both engines read alike.
    pub expression: &'static str,
}

/// An index, unique or not, whole or partial.
#[derive(Clone, Debug)]
pub struct Index {
    /// Column names, each with ` desc` after it where the order is descending.
    pub columns: Vec<&'static str>,
    pub unique: bool,
    /// The rows the index is over; all when `None`.
    pub condition: Option<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Text,
    /// 32 bits.
    Integer,
    /// 64 bits.
    BigInteger,
    Double,
    Boolean,
    Timestamp,
    Json,
    /// An embedding of that many dimensions.
    Vector(u16),
}

/// A rule over one column. A null passes every one of them, as SQL has it.
#[derive(Clone, Debug)]
pub enum Check {
    OneOf(&'static [&'static str]),
    Between(f64, f64),
    AtLeast(f64),
    /// Characters, both ends included.
    Length(u32, u32),
    LowerCase,
    /// Only these characters (a set as in a regular expression), so many at most, one at least.
    Characters(&'static str, u32),
    JsonArray,
}

/// What happens to a row when the row it refers to goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    Cascade,
    SetNull,
}

/// A foreign key to the `id` of a table, which may be declared in a later context.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    pub table: &'static str,
    pub on_delete: OnDelete,
}

/// A column; see the functions below that make one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub optional: bool,
    /// The default as an SQL literal.
    pub default: Option<String>,
    pub checks: Vec<Check>,
    pub reference: Option<Reference>,
    pub unique: bool,
}

fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        optional: false,
        default: None,
        checks: Vec::new(),
        reference: None,
        unique: false,
    }
}

/// An identifier that is not a foreign key: of a row the table outlives, or a token.
pub fn uuid(name: &'static str) -> Column {
    column(name, Kind::Uuid)
}

/// Text of any length.
pub fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

/// One of a closed list of words.
pub fn one_of(name: &'static str, words: &'static [&'static str]) -> Column {
    text(name).check(Check::OneOf(words))
}

/// A 32-bit integer.
pub fn integer(name: &'static str) -> Column {
    column(name, Kind::Integer)
}

/// A 64-bit integer.
pub fn big_integer(name: &'static str) -> Column {
    column(name, Kind::BigInteger)
}

/// A number of things: never negative, zero at first.
pub fn count(name: &'static str) -> Column {
    integer(name).check(Check::AtLeast(0.0)).default("0")
}

/// A version or generation of a row: from 1, counted up by every change.
pub fn version(name: &'static str) -> Column {
    integer(name).check(Check::AtLeast(1.0)).default("1")
}

/// A floating-point number.
pub fn double(name: &'static str) -> Column {
    column(name, Kind::Double)
}

/// A floating-point number within a range, both ends included.
pub fn between(name: &'static str, low: f64, high: f64) -> Column {
    double(name).check(Check::Between(low, high))
}

/// A number from 0 to 1.
pub fn score(name: &'static str) -> Column {
    between(name, 0.0, 1.0)
}

/// Yes or no, with what it is at first.
pub fn boolean(name: &'static str, default: bool) -> Column {
    column(name, Kind::Boolean).default(if default { "TRUE" } else { "FALSE" })
}

/// Yes, no, or not said.
pub fn boolean_or_unknown(name: &'static str) -> Column {
    column(name, Kind::Boolean).optional()
}

/// A moment, in UTC, set by the application.
pub fn time(name: &'static str) -> Column {
    column(name, Kind::Timestamp)
}

/// A JSON value of any shape.
pub fn json(name: &'static str) -> Column {
    column(name, Kind::Json)
}

/// A JSON object by its default (`{}`); the shape is the application's to keep.
pub fn document(name: &'static str) -> Column {
    json(name).default("'{}'")
}

/// A JSON array, empty at first.
pub fn array(name: &'static str) -> Column {
    json(name).check(Check::JsonArray).default("'[]'")
}

/// An embedding.
pub fn vector(name: &'static str, dimensions: u16) -> Column {
    column(name, Kind::Vector(dimensions))
}

/// A foreign key. The row goes with the one it refers to, unless [`Column::set_null`].
pub fn reference(name: &'static str, table: &'static str) -> Column {
    let mut column = column(name, Kind::Uuid);
    column.reference = Some(Reference {
        table,
        on_delete: OnDelete::Cascade,
    });
    column
}

/// The person a row is about. Every row about a person has it, so that scope, erasure and
/// distribution by person are one predicate.
pub fn user() -> Column {
    reference("user_id", "users")
}

/// Who owns a thing.
pub fn owner() -> Column {
    reference("owner_id", "users")
}

/// The entity a row is about.
pub fn entity() -> Column {
    reference("entity_id", "entities")
}

/// The community a row belongs to; none for everywhere else.
pub fn guild() -> Column {
    reference("guild_id", "guilds").optional()
}

/// Who made a row, while that person exists.
pub fn created_by() -> Column {
    reference("created_by", "users").set_null()
}

impl Column {
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The reference is dropped, and the row stays, when what it refers to goes.
    pub fn set_null(mut self) -> Self {
        self.optional = true;
        if let Some(reference) = &mut self.reference {
            reference.on_delete = OnDelete::SetNull;
        }
        self
    }

    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// An SQL literal; a word needs its quotes.
    pub fn default(mut self, literal: impl Into<String>) -> Self {
        self.default = Some(literal.into());
        self
    }

    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    pub fn at_least(self, low: f64) -> Self {
        self.check(Check::AtLeast(low))
    }

    pub fn at_most(self, characters: u32) -> Self {
        self.check(Check::Length(0, characters))
    }

    pub fn length(self, least: u32, most: u32) -> Self {
        self.check(Check::Length(least, most))
    }

    pub fn lower_case(self) -> Self {
        self.check(Check::LowerCase)
    }
}

/// A table whose rows change: the columns given, with `id`, `created_at` and `updated_at`.
pub fn table(name: &'static str, columns: impl IntoIterator<Item = Column>) -> Table {
    let mut table = log(name, columns);
    table.columns.push(time("updated_at"));
    table
}

/// A table whose rows are written once: the columns given, with `id` and `created_at`.
pub fn log(name: &'static str, columns: impl IntoIterator<Item = Column>) -> Table {
    let mut all = vec![uuid("id")];
    all.extend(columns);
    all.push(time("created_at"));
    Table {
        name,
        columns: all,
        indexes: Vec::new(),
        checks: Vec::new(),
        full_text: Vec::new(),
        inverted: Vec::new(),
        nearest: None,
    }
}

impl Table {
    pub fn index(self, columns: &[&'static str]) -> Self {
        self.with(columns, false, None)
    }

    /// Of the rows that meet the condition alone.
    pub fn index_where(self, columns: &[&'static str], condition: &str) -> Self {
        self.with(columns, false, Some(condition.to_owned()))
    }

    pub fn unique(self, columns: &[&'static str]) -> Self {
        self.with(columns, true, None)
    }

    /// Unique among the rows that meet the condition.
    pub fn unique_where(self, columns: &[&'static str], condition: &str) -> Self {
        self.with(columns, true, Some(condition.to_owned()))
    }

    /// Unique with a key that may be null, where null is a value like any other. Two indexes,
    /// since nulls are distinct in a unique index of SQLite and PostgreSQL 14.
    pub fn unique_with_optional(self, columns: &[&'static str], optional: &'static str) -> Self {
        let mut whole = columns.to_vec();
        whole.insert(1, optional);
        self.unique(&whole)
            .unique_where(columns, &format!("\"{optional}\" IS NULL"))
    }

    fn with(mut self, columns: &[&'static str], unique: bool, condition: Option<String>) -> Self {
        self.indexes.push(Index {
            columns: columns.to_vec(),
            unique,
            condition,
        });
        self
    }

    pub fn check(mut self, name: &'static str, expression: &'static str) -> Self {
        self.checks.push(TableCheck { name, expression });
        self
    }

    /// Words of these columns can be searched for.
    pub fn full_text(mut self, columns: &[&'static str]) -> Self {
        self.full_text = columns.to_vec();
        self
    }

    pub fn inverted(mut self, column: &'static str) -> Self {
        self.inverted.push(column);
        self
    }

    pub fn nearest(mut self, column: &'static str) -> Self {
        self.nearest = Some(column);
        self
    }

    /// The declared indexes, those of unique columns, and one for every foreign key that leads
    /// none of them. A key that may be null is indexed where it is not: the rows that refer to
    /// nothing cost nothing.
    pub fn all_indexes(&self) -> Vec<Index> {
        let mut all = self.indexes.clone();
        for column in self.columns.iter().filter(|column| column.unique) {
            all.push(Index {
                columns: vec![column.name],
                unique: true,
                condition: None,
            });
        }
        for column in self
            .columns
            .iter()
            .filter(|column| column.reference.is_some())
        {
            let leads =
                |index: &Index| index.condition.is_none() && index.columns[0] == column.name;
            if !all.iter().any(leads) {
                all.push(Index {
                    columns: vec![column.name],
                    unique: false,
                    condition: column
                        .optional
                        .then(|| format!("\"{}\" IS NOT NULL", column.name)),
                });
            }
        }
        all
    }
}
