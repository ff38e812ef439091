#!/usr/bin/env python3
"""Learns the weights of the wording (src/dna/wording/weights.tsv) from labelled sentences.

    pip install scikit-learn==1.9.1
    python3 crates/domain/learn/learn.py            # some minutes on two cores

The features are made by the reader itself (examples/wording_features.rs), so that it learns
from what it will see. README.md beside this file says where the sentences come from.
"""

import json
import pathlib
import subprocess
import tomllib
from collections import Counter

import numpy as np
from joblib import Parallel, delayed
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

HERE = pathlib.Path(__file__).parent
DNA = HERE.parent / "src" / "dna"
WEIGHTS = DNA / "wording" / "weights.tsv"
# Whole stories that were read before: their cues were written from them, so that only their
# words can teach.
STORIES = [
    "training_stories_1", "training_stories_2", "read_stories",
    "agreed_stories", "agreed_stories_2", "agreed_stories_3", "agreed_stories_4",
]
TRAITS = [
    "novelty_seeking", "anxiety_threshold", "confidence_baseline", "confidence_decay_rate",
    "weariness_accumulation_rate", "resilience", "service_orientation", "autonomy_desire",
    "authority_recognition", "cooperation_drive", "perfectionism", "temporal_precision",
    "aesthetic_sensitivity", "acceptance_of_failure", "commitment_to_routine", "pride_in_craft",
    "nostalgia_bias",
]
HIGH = "ABCDEFGHIJKLMNOPQ"

# Chosen on four sets of stories that were neither learned from nor used for the last measure.
SEEN_AT_LEAST = 4  # times, or a feature is left out
REGULARIZATION = 0.15  # scikit-learn's C
WEIGHT_OF_OTHER_TRAITS = 0.2  # of a sentence that says something of another trait
WEIGHT_OF_NEUTRAL = 2  # of a sentence that says nothing of any
LEAST_WEIGHT = 0.06  # smaller ones are left out of the file


def examples():
    """(text, name, {trait number: 1 or -1}, whether cues count)"""
    for line in (HERE / "sentences.tsv").read_text().splitlines():
        labels, name, text = line.split("\t")
        ends = {HIGH.index(it.upper()): 1 if it.isupper() else -1 for it in labels}
        yield text, name, ends, True
    for file in STORIES:
        for story in tomllib.loads((DNA / f"{file}.toml").read_text())["story"]:
            ends = {TRAITS.index(it): 1 for it in story.get("up", []) if it in TRAITS}
            ends |= {TRAITS.index(it): -1 for it in story.get("down", []) if it in TRAITS}
            yield " ".join(story["text"].split()), story["name"], ends, False


def features(lines):
    command = ["cargo", "run", "--quiet", "--package", "anima-domain", "--example", "wording_features"]
    told = "".join(f"{name}\t{text}\n" for text, name, _, _ in lines)
    out = subprocess.run(command, input=told, capture_output=True, text=True, check=True, cwd=HERE)
    for line, (_, _, _, cues) in zip(out.stdout.splitlines(), lines, strict=True):
        found = {it for sentence in json.loads(line) for it in sentence}
        yield found if cues else {it for it in found if not it.startswith("@")}


def main():
    lines = list(examples())
    found = list(features(lines))
    seen = Counter(it for some in found for it in some)
    vocabulary = {it: i for i, it in enumerate(sorted(it for it in seen if seen[it] >= SEEN_AT_LEAST))}
    places = [(row, vocabulary[it]) for row, some in enumerate(found) for it in some if it in vocabulary]
    shape = (len(lines), len(vocabulary))
    matrix = csr_matrix((np.ones(len(places)), np.array(places).T), shape=shape)

    def fit(trait):
        ends = np.array([it.get(trait, 0) for _, _, it, _ in lines])
        weight = [
            1 if trait in it else WEIGHT_OF_OTHER_TRAITS if it else WEIGHT_OF_NEUTRAL
            for _, _, it, _ in lines
        ]
        model = LogisticRegression(C=REGULARIZATION, max_iter=200, tol=1e-3)
        model.fit(matrix, ends, sample_weight=weight)
        low, none, high = (list(model.classes_).index(it) for it in (-1, 0, 1))
        to_none = lambda it, of: of[it] - of[none]
        return [
            (letter, to_none(at, model.coef_), to_none(at, model.intercept_))
            for letter, at in ((HIGH[trait], high), (HIGH[trait].lower(), low))
        ]

    ends = [it for some in Parallel(-1)(delayed(fit)(it) for it in range(len(TRAITS))) for it in some]

    def line(feature, weights, least):
        told = ((letter, round(100 * it)) for letter, it in weights if abs(it) >= least)
        return feature + "\t" + "".join(f"{letter}{it}" for letter, it in told if it) + "\n"

    with WEIGHTS.open("w") as out:
        out.write(f"# Made by learn/learn.py from {len(lines)} texts; see dna/wording.rs.\n")
        out.write(line("", [(letter, bias) for letter, _, bias in ends], 0))
        for feature, at in vocabulary.items():
            told = line(feature, [(letter, of[at]) for letter, of, _ in ends], LEAST_WEIGHT)
            if not told.endswith("\t\n"):
                out.write(told)
    print(f"{len(lines)} texts, {len(vocabulary)} features")


if __name__ == "__main__":
    main()
