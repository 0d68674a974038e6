"""English requests and questions: the frame changes, nothing else."""

import pytest

from hunmin.language.variants.rewordings import rewordings


def forms(text: str) -> dict[str, str]:
    return {found.rule: found.text for found in rewordings(text, language="en")}


def test_a_command_gets_every_frame() -> None:
    assert forms("Write a poem in 50 words.") == {
        "en:please": "Please write a poem in 50 words.",
        "en:could_you": "Could you write a poem in 50 words?",
        "en:can_you": "Can you write a poem in 50 words?",
        "en:could_you_please": "Could you please write a poem in 50 words?",
        "en:would_you_please": "Would you please write a poem in 50 words?",
        "en:would_like": "I'd like you to write a poem in 50 words.",
        "en:your_task": "Your task is to write a poem in 50 words.",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Could you name a river?",
        "Please name a river.",
        "I want you to name a river.",
        "Can you please name a river?",
    ],
)
def test_a_frame_can_be_taken_off(text: str) -> None:
    assert forms(text)["en:imperative"] == "Name a river."


def test_the_rest_of_a_text_stays() -> None:
    text = (
        "You are given two lists. Implement a function to merge them. Use O(1) space, e.g. tuples.\nThanks."
    )
    found = forms(text)
    assert found["en:could_you"] == text.replace("Implement", "Could you implement").replace("them.", "them?")
    assert "en:your_task" not in found
    assert (
        forms("Find the sum for 2022. Return it.")["en:can_you"]
        == "Can you find the sum for 2022? Return it."
    )
    assert forms("Write to Mr. Smith.")["en:could_you"] == "Could you write to Mr. Smith?"
    assert forms("Translate this:\nGood day.") == {
        "en:please": "Please translate this:\nGood day.",
        "en:would_like": "I'd like you to translate this:\nGood day.",
        "en:your_task": "Your task is to translate this:\nGood day.",
    }


def test_a_command_behind_a_scene() -> None:
    assert forms("In Python, write a loop.")["en:could_you"] == "In Python, could you write a loop?"
    assert forms("Given a list, find its mean.")["en:please"] == "Given a list, please find its mean."


def test_questions_become_requests_to_tell() -> None:
    assert forms("How do I sort a list in Python?") == {
        "en:tell_me": "Can you tell me how to sort a list in Python?",
        "en:please_tell_me": "Please tell me how to sort a list in Python.",
        "en:explain": "Explain how to sort a list in Python.",
    }
    assert forms("What is the capital of Peru?")["en:tell_me"] == "Can you tell me the capital of Peru?"


@pytest.mark.parametrize(
    "text",
    [
        "What is the man doing?",
        "What is the reason that you left?",
        "What is the area of a circle, and why?",
        "How does a plane fly?",
        "Why did the colony fail?",
        "List comprehension in Python",
        "Name: Kim",
        "Design patterns are useful.",
        "Answer key",
        "Imagine a world without music.",
        "Think step by step. Write the answer.",
        "Hello there!",
        "planning travel in hungary",
        "",
        "What does this print?\nfor i in range(3):\n    print(i)\nreturn the_sum",
        'She said "Write a poem."',
    ],
)
def test_what_is_not_surely_a_request_gets_none(text: str) -> None:
    assert rewordings(text, language="en") == []


def test_questions_stand_alone() -> None:
    """No second question beside one that is asked already."""
    found = forms("Why is the sky blue? Explain the physics.")
    assert found == {"en:please": "Why is the sky blue? Please explain the physics."}
    assert "en:could_you_please" not in forms("Can you explain this for me please?")
