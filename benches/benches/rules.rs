//! The pure rules: reading a story, inheriting, matching voices, comparing.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::dna::{
    Dna, Parent, extract, inherit, similarity,
    voice::{Catalogue, Speaker, match_voices},
};
use uuid::Uuid;

const STORY: &str = "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
                     Frank grew up helping in the kitchen from age 7.";

fn rules(c: &mut Criterion) {
    let long = STORY.repeat(20_000 / STORY.len());
    let read = extract(STORY, Some("Frank"))
        .map(|it| it.dna)
        .unwrap_or_default();
    let neutral = Dna::default();
    let parent = Parent {
        id: Uuid::nil(),
        name: "Frank",
        dna: &read,
        generation: 0,
    };
    let speaker = Speaker {
        name: "Frank",
        story: Some(STORY),
        dna: &read,
    };

    c.bench_function("extract a story of 140 characters", |b| {
        b.iter(|| extract(black_box(STORY), Some("Frank")));
    });
    c.bench_function("extract a story of 20 000 characters", |b| {
        b.iter(|| extract(black_box(&long), Some("Frank")));
    });
    c.bench_function("inherit from one parent", |b| {
        b.iter(|| inherit(black_box(&parent), None, 7, None));
    });
    c.bench_function("match 108 voices", |b| {
        b.iter(|| match_voices(black_box(&speaker), Catalogue::built_in(), 5));
    });
    c.bench_function("similarity", |b| {
        b.iter(|| similarity(black_box(&read), black_box(&neutral)));
    });
}

criterion_group!(benches, rules);
criterion_main!(benches);
