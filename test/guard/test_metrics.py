"""Prometheus' text format 0.0.4, held against a small parser of it."""

import json
import math
import os
import re
from collections import Counter

import pytest
from guard.seen import Seen, counts, gpu_samples, metric

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        label = LABEL.match(text, at)
        assert label, text[at:]
        found[label[1]] = re.sub(r"\\.", lambda escape: ESCAPED[escape[0]], label[2])
        at = label.end()
    return found


def parsed(text):
    """Name, kind and samples of the one metric in it."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    name, words = re.fullmatch(rf"# HELP ({NAME}) (.+)", lines[0]).groups()
    kind = re.fullmatch(rf"# TYPE {name} (counter|gauge)", lines[1])[1]
    assert words
    samples = []
    for line in lines[2:]:
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == name
        samples.append((labels_of(sample[2] or ""), float(sample[3])))
    return name, kind, samples


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [({}, 0.0)],
        [({}, 1.5)],
        [({"a": "b"}, 1.0), ({"a": "c"}, 2.0)],
        [({"a": "b", "c": "d"}, 25_769_803_776.0)],
        [({"device": '0:A "b" \\ c\nd\\n,e="f"} 1'}, 1.0)],
        [({"device": "Zoë, }{"}, 123456789.0)],
        [({"device": ""}, math.inf)],
    ],
)
def test_comes_back_as_it_went_in(samples):
    assert parsed(metric("a_metric", "gauge", "Some words.", samples)) == ("a_metric", "gauge", samples)


def test_any_label(chance):
    for _ in range(1000):
        value = "".join(chance.choices('\\"\n n,={}é\r\t', k=chance.randrange(12)))
        assert parsed(metric("m", "counter", "w", [({"a": value, "b": value}, 1.0)]))[2] == [({"a": value, "b": value}, 1.0)]


def test_a_large_count_is_exact():
    assert "m 123456789012345\n" in metric("m", "counter", "w", [({}, 123456789012345.0)])


def test_counts_are_in_a_steady_order():
    assert counts(Counter(b=2, a=1), "verdict") == [({"verdict": "a"}, 1.0), ({"verdict": "b"}, 2.0)]


class TestGpu:
    def test_as_comfyui_says_it(self):
        device = {"name": "cuda:0 NVIDIA", "type": "cuda", "index": 0, "vram_total": 25_769_803_776, "vram_free": 1.5}
        assert gpu_samples({"system": {}, "devices": [device, {**device, "name": "cuda:1"}]}) == [
            ({"device": "0:cuda:0 NVIDIA", "kind": "total"}, 25_769_803_776.0),
            ({"device": "0:cuda:0 NVIDIA", "kind": "free"}, 1.5),
            ({"device": "1:cuda:1", "kind": "total"}, 25_769_803_776.0),
            ({"device": "1:cuda:1", "kind": "free"}, 1.5),
        ]

    @pytest.mark.parametrize(
        "stats",
        [None, [], "x", 1, {}, {"devices": None}, {"devices": {}}, {"devices": [None, 1, "x", [], {}]}, {"devices": [{"vram_total": "1"}]}],
    )
    def test_another_shape_is_none(self, stats):
        assert gpu_samples(stats) == []


class TestEvents:
    def events(self, capsys):
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def test_one_line_each(self, capsys):
        Seen().event("reload", trigger="signal", reason="two\nlines é")
        [event] = self.events(capsys)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|\+00:00)", event.pop("at"))
        assert event == {"source": "guard", "event": "reload", "trigger": "signal", "reason": "two\nlines é"}

    def test_a_log_that_is_full_or_closed_changes_nothing(self, monkeypatch):
        with open("/dev/full", "w", encoding="utf-8") as full:
            monkeypatch.setattr("sys.stdout", full)
            Seen().event("reload")
            # What could not be written is still in it, and would be tried again.
            monkeypatch.undo()
            os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
        monkeypatch.setattr("sys.stdout", full)
        Seen().event("reload")

    def test_a_throttled_address_is_told_of_once_in_a_minute(self, capsys, clock, monkeypatch):
        monkeypatch.setattr("guard.seen.time.monotonic", clock)
        seen = Seen()
        for _ in range(1000):
            seen.throttled("a", 20)
        seen.throttled("b", 20)
        clock.passes(61)
        seen.throttled("a", 20)
        assert [event["address"] for event in self.events(capsys)] == ["a", "b", "a"]
        assert seen.attempts == Counter(throttled=1002)

    def test_those_who_are_remembered_for_it_are_not_too_many(self, capsys):
        seen = Seen()
        for number in range(5000):
            seen.throttled(str(number), 1)
        assert len(seen._throttled) == 1000
        assert len(self.events(capsys)) == 1000
        assert seen.attempts["throttled"] == 5000
