"""Personal data by its forms, and the ordinary numbers that look like it. All numbers are made up."""

import datetime
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.safety.config import PersonalKind
from hunmin.safety.personal_data import KINDS, find, luhn_valid, mask, registration_check_digit


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("번호는 010-1234-5678입니다", "phone", "010-1234-5678"),
        ("전화01012345678로", "phone", "01012345678"),
        ("010 1234 5678", "phone", "010 1234 5678"),
        ("010.1234.5678", "phone", "010.1234.5678"),
        ("+82 10-1234-5678", "phone", "+82 10-1234-5678"),
        ("+82-2-123-4567", "phone", "+82-2-123-4567"),
        ("(02) 123-4567", "phone", "(02) 123-4567"),
        ("031-123-4567", "phone", "031-123-4567"),
        ("call (415) 555-2671", "phone", "(415) 555-2671"),
        ("+44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("메일은 some.one@mail.co.kr로", "email", "some.one@mail.co.kr"),
        ("민수 메일은 minsu.kim@email.com", "email", "minsu.kim@email.com"),
        ("a@test.go.kr", "email", "a@test.go.kr"),
        ("a@domain.company.kr", "email", "a@domain.company.kr"),
        ("mailto:a-b@c.org", "email", "a-b@c.org"),
        ("카드 4111-1111-1111-1111", "card", "4111-1111-1111-1111"),
        ("3782 822463 10005", "card", "3782 822463 10005"),
        ("국민은행 123456-78-901234로 입금", "account", "123456-78-901234"),
        ("account 1234567890123", "account", "1234567890123"),
        ("서울특별시 강남구 테헤란로 123, 4층", "address", "서울특별시 강남구 테헤란로 123, 4층"),
        ("서울시 강남구 역삼동 123-45에", "address", "서울시 강남구 역삼동 123-45"),
        ("경기 수원시 팔달구 정조로 825", "address", "경기 수원시 팔달구 정조로 825"),
        ("수원시 팔달구 정조로 825 (매향동)", "address", "수원시 팔달구 정조로 825"),
        ("대구 중구 동성로2길 12-3, 2층 201호", "address", "대구 중구 동성로2길 12-3, 2층 201호"),
        ("여권 번호 M12345678", "passport", "M12345678"),
        ("면허 11-12-345678-90", "driver_licence", "11-12-345678-90"),
    ],
)
def test_each_form_is_found_whole(text: str, kind: str, found: str) -> None:
    assert [(match.kind, text[match.start : match.end]) for match in find(text)] == [(kind, found)]


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-01부터 2021.12.31까지",
        "2023-01-15 10:11:12.123456",
        "가격은 1,234,567원, 12.5% 할인",
        "버전 1.10.2-3.4567",
        "ISBN 978-3-16-148410-0, 9783161484100, 89-7914-874-9",
        "550e8400-e29b-41d4-a716-446655440000",
        "MAX = 2147483647; PI = 3.14159265358979; x = 0.01012345678",
        "timestamp 1700000000000 1700000000000000",
        "0x7fffffff 192.168.0.1:8080",
        "user@example.com git@github.com:a/b.git @app.route a@b",
        "user@example.co.kr a@mail.example.org b@db.test c@your.localhost user@domain.com user@example",
        "jane@example2.com example@email.com your.name@naver.com your-email@gmail.com username@corp.kr",
        "상담은 112, 119, 109, 1393, 1388, 1577-0199, 02-1366으로",
        "무료 전화 080-123-4567, +82-80-123-4567, 은행 고객 센터 080-123-4567",
        "Call 1-800-273-8255, (888) 373-7888, +1 800 662 4357 or 988.",
        "+44 800 11 11 77, +44 116 123, +800 1234 5678, 212-555-0142",
        "4111-1111-1111-1112 1234567890123456 0000 0000 0000 0000",
        "123456-78-901234",  # no bank named
        "2024-05-06 은행 휴무",
        "은행은 2024-05-06에 쉰다",
        "901301-1234567 900132-1234567",  # no such dates
        "서울에서 부산까지 바로 3시간",
        "대구시 중구 동성로 2길을 걸었다",
        "서울 강남구로 2번 갔다",
        "나는 바로 5명을 보았다",
        "대표 번호 1588-1234, 국번 123-4567",
        "+1 2 3 = 6",
        "100-200-3000 111-222-3333 2010-2011-2012",
        "M12345678 모델",
        "1234567890123",
    ],
)
def test_ordinary_numbers_are_not_found(text: str) -> None:
    assert find(text) == []


digits12 = st.text(alphabet="0123456789", min_size=12, max_size=12)


@given(
    st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99_999),
)
def test_registration_numbers_by_their_check_digit(
    born: datetime.date, foreign: bool, second: bool, serial: int
) -> None:
    century = (1 if born.year < 2000 else 3) + (4 if foreign else 0) + second
    head = f"{born:%y%m%d}{century}{serial:05}"
    right = registration_check_digit(head)
    kind = "foreigner_number" if foreign else "resident_number"
    (match,) = find(head + str(right))
    assert (match.kind, match.certain) == (kind, True)
    wrong = head + str((right + 1) % 10)
    assert find(wrong) == []  # thirteen digits of anything
    (match,) = find(wrong[:6] + "-" + wrong[6:])  # as all issued since 2020-10 are
    assert (match.kind, match.certain) == (kind, False)


def test_a_known_check_digit() -> None:
    # (2·9 + 3·0 + 4·0 + 5·1 + 6·0 + 7·1 + 8·1 + 9·2 + 2·3 + 3·4 + 4·5 + 5·6) = 124, 11 - 124 mod 11 = 8
    assert registration_check_digit("900101123456") == 8


@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_luhn_has_one_check_digit_and_sees_one_wrong_digit(digits: str) -> None:
    valid = [last for last in "0123456789" if luhn_valid(digits + last)]
    assert len(valid) == 1
    whole = digits + valid[0]
    changed = str((int(whole[0]) + 1) % 10) + whole[1:]
    assert not luhn_valid(changed)


def test_masks_are_in_the_language_of_the_text() -> None:
    assert mask("제 번호는 010-1234-5678, 메일은 a@b.kr 입니다") == (
        "제 번호는 [전화번호], 메일은 [이메일] 입니다",
        {"phone": 1, "email": 1},
    )
    assert mask("Call me at 010-1234-5678.") == ("Call me at [PHONE].", {"phone": 1})
    assert mask("a@b.kr")[0] == "[EMAIL]"
    assert mask("a@b.kr", language="ko")[0] == "[이메일]"
    assert mask("write to a@b.kr", language="ko")[0] == "write to [EMAIL]"


def test_only_the_kinds_asked_for() -> None:
    assert mask("010-1234-5678 a@b.kr", kinds=("email",)) == ("010-1234-5678 [EMAIL]", {"email": 1})


def test_the_config_knows_every_kind() -> None:
    assert get_args(PersonalKind) == KINDS


@given(st.text(alphabet="0123456789-. @가로동시구서울은행+()M", max_size=60))
def test_finds_are_in_order_apart_and_masked_once(text: str) -> None:
    matches = find(text)
    assert all(0 <= match.start < match.end <= len(text) for match in matches)
    assert all(one.end <= other.start for one, other in pairwise(matches))
    assert sum(mask(text)[1].values()) == len(matches)
    if not matches:
        assert mask(text)[0] == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("제 번호는 010-1234-5671이 맞습니다", "제 번호는 [전화번호]가 맞습니다"),
        ("010-1234-5671은 제 번호고 a@b.kr는 메일입니다", "[전화번호]는 제 번호고 [이메일]은 메일입니다"),
        ("메일은 some@mail.co.kr으로 주세요", "메일은 [이메일]로 주세요"),
        ("제 메일은 a@b.net과 c@d.kr예요", "제 메일은 [이메일]과 [이메일]이에요"),
        ("010-1234-5671으로는 안 됩니다", "[전화번호]로는 안 됩니다"),
        ("메일 a@b.kr이라고 적고 010-1234-5671을 눌러", "메일 [이메일]이라고 적고 [전화번호]를 눌러"),
        ("번호 010-1234-5671이상하다", "번호 [전화번호]이상하다"),  # no particle
        ("번호는 010-1234-5678입니다", "번호는 [전화번호]입니다"),
    ],
)
def test_the_particle_agrees_with_the_mask(text: str, masked: str) -> None:
    assert mask(text)[0] == masked


CODE = [
    "설정은 이렇습니다.\n```yaml\nmail: someone@corp.kr\n```\n끝.",
    "`git config user.email someone@corp.kr` 을 실행하세요.",
    "def contact():\n    return 'someone@corp.kr', '010-1234-5678'",
    'const mail = "someone@corp.kr";',
    "코드:\nsend('someone@corp.kr', '010-1234-5678')",
]


@pytest.mark.parametrize("text", CODE)
def test_code_is_left_alone_unless_asked(text: str) -> None:
    assert mask(text) == (text, {})
    assert mask(text, code=True)[1]["email"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "`코드` 앞의 someone@corp.kr 입니다",
        "이름: 홍길동; 메일: someone@corp.kr;",
        '{"name": "홍길동", "mail": "someone@corp.kr"}',
        "if you have questions, write to someone@corp.kr:",
        "import에 관한 문의(someone@corp.kr)",
    ],
)
def test_prose_and_data_are_no_code(text: str) -> None:
    assert mask(text)[1] == {"email": 1}


def test_what_is_allowed_stands() -> None:
    text = "문의: help@corp.kr, 02-123-4567, 홍보: other@corp.kr, 02-123-4568"
    assert mask(text, allow=("HELP@corp.kr", "021234567"))[0] == (
        "문의: help@corp.kr, 02-123-4567, 홍보: [이메일], [전화번호]"
    )
    assert mask(text, allow=("@corp.kr",))[1] == {"phone": 2}
    address = "서울시 강남구 역삼동 123-45"
    assert mask(f"{address}에 있다", allow=(address,))[1] == {}
