"""The words of `--help` in Korean, by their English, and the groups of the commands.

A command or option that is added needs its line here: tests/launcher/help/test_help.py names what is missing.
"""

import re
from collections.abc import Mapping

# The commands in order of use.
GROUPS = (
    ("Begin", ("doctor", "init", "fetch")),
    ("From corpus to report", ("plan", "run", "data", "train", "eval", "report")),
    ("Look into a run", ("show", "rows", "trace", "diff")),
    ("Judge the answers", ("judge",)),
    ("Hand a run over", ("submit", "status", "wait", "cancel")),
    ("Try the model", ("chat", "bench", "human")),
)


def is_korean(environ: Mapping[str, str]) -> bool:
    """Whether messages are wanted in Korean, as gettext decides it.

    LANGUAGE lists languages by preference and goes before the locale, which is the first of LC_ALL,
    LC_MESSAGES, LANG that is set; in the locale C nothing is translated.
    """
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(name))), "")
    if locale in ("C", "POSIX"):
        return False
    wanted = [re.split("[_.@]", one)[0] for one in (environ.get("LANGUAGE") or locale).split(":")]
    return next((one for one in wanted if one in ("ko", "en", "C")), "en") == "ko"


def korean(text: str) -> str:
    """The Korean for an English text of the help; the English where there is none."""
    return KOREAN.get(text, text)


KOREAN = {
    # the pages themselves
    "Usage": "사용법",
    "Arguments": "인자",
    "Options": "옵션",
    "Example": "예",
    "default": "기본값",
    "required": "필수",
    "Show this message and exit.": "이 도움말을 보여 준다",
    "Begin": "처음에",
    "From corpus to report": "말뭉치에서 보고서까지",
    "Look into a run": "실행 들여다보기",
    "Hand a run over": "실행 맡기기",
    "Judge the answers": "답 심사하기",
    "Try the model": "모델 써 보기",
    "More": "그 밖에",
    "hunmin COMMAND --help shows the arguments, and an example.": (
        "hunmin COMMAND --help를 치면 인자와 예가 나온다."
    ),
    "훈민: instruction corpora in, an instruction-following model out, with proof of how it got there.": (
        "훈민: 지시문 말뭉치로 지시를 따르는 모델을 만들고, 어떻게 만들어졌는지 증거를 남긴다."
    ),
    # commands
    "What this machine has, what is missing, and what to type to install it.": (
        "이 컴퓨터에 무엇이 있고 무엇이 없는지, 없는 것은 어떻게 설치하는지 알려 준다."
    ),
    "A config for your own files, ready for hunmin run; says what it saw.": (
        "내 파일을 살펴보고 바로 실행할 수 있는 설정을 써 준다."
    ),
    "Model and data into one folder, for machines without a network.": (
        "네트워크가 없는 기계에서 쓰도록 모델과 데이터를 한 폴더에 모은다."
    ),
    "All stages: data, train, eval, report; continues where it stopped.": (
        "data, train, eval, report를 차례로 하고, 멈춘 곳이 있으면 거기서 이어 간다."
    ),
    "What training would take: steps, memory of a rank, disk, and DeepSpeed's settings.": (
        "학습에 드는 것: 단계 수, 랭크 하나의 메모리, 디스크, DeepSpeed에 주는 설정."
    ),
    "Only data: read, validate, split, tokenize, pack.": (
        "data만: 읽고, 검사하고, 나누고, 토큰으로 바꾸어 묶는다."
    ),
    "Only train: ZeRO-3 ranks on the packs, then the export.": (
        "train만: 묶음으로 ZeRO-3 학습을 하고 모델을 내보낸다."
    ),
    "Only eval: both models answer held-out rows; scores.": (
        "eval만: 남겨 둔 문제를 학습 전후의 모델에게 묻고 채점한다."
    ),
    "Only report: one page of what the other stages wrote; or of several runs side by side.": (
        "report만: 앞 단계의 결과를 한 쪽에 정리한다. 실행 여럿을 나란히 놓을 수도 있다."
    ),
    "Hand a run over: all stages as a job of SLURM, of Ray, or of this machine.": (
        "모든 단계를 SLURM이나 Ray 클러스터, 또는 이 컴퓨터의 작업으로 맡긴다."
    ),
    "Say how runs stand: job, stages, the training's numbers.": (
        "실행이 어디까지 왔는지 알려 준다: 작업, 단계, 학습의 숫자. 여럿이면 한 줄씩."
    ),
    "run folders, or names below runs/": "실행 폴더들, 또는 runs/ 아래의 이름들",
    "again every few seconds, until Ctrl-C": "Ctrl-C를 누를 때까지 몇 초마다 다시",
    "slurm: hosts; default: 1": "slurm: 컴퓨터 수. 기본값: 1",
    "Show the log of a run's job until it ends, and end with its exit code.": (
        "맡긴 작업이 끝날 때까지 기록을 보여 주고, 그 작업의 종료 코드로 끝난다."
    ),
    "Ask the job of a run to save and end; submitting again continues.": (
        "맡긴 작업을 저장하고 멈추게 한다. 다시 맡기면 이어 간다."
    ),
    "What is trained in a pack, where a row stands, or what was rejected.": (
        "묶음에서 무엇이 학습되는지, 한 행이 어디에 있는지, 무엇이 걸러졌는지 보여 준다."
    ),
    "Write the rendered rows as messages, each checked against its pack.": (
        "학습에 쓰인 행을 메시지로 내보내고, 하나하나 묶음과 맞추어 본다."
    ),
    "Where a token of a pack came from, read again from its source; or where a row went.": (
        "묶음 속 토큰을 원본까지 되짚어 가거나, 한 행이 어디로 갔는지 알려 준다."
    ),
    "Two runs side by side: settings, counts, scores and their difference.": (
        "두 실행을 나란히: 설정과 개수, 점수와 그 차이의 신뢰 구간."
    ),
    "Talk to the trained model of a run in the terminal.": "학습한 모델과 터미널에서 이야기한다.",
    "Have people rate the answers: blinded forms out, ratings and agreement in.": (
        "사람에게 답을 평가받는다: 모델을 가린 평가지를 내고, 돌아온 평가를 모은다."
    ),
    "Benchmarks that others use, asked before and after training, by lm-evaluation-harness.": (
        "널리 쓰이는 벤치마크를 학습 전후의 모델에게 lm-evaluation-harness로 묻는다."
    ),
    "Let a model compare the answers of base and tuned, in both orders.": (
        "모델을 심사자로 삼아 학습 전후의 답을 두 순서로 견준다."
    ),
    "an OpenAI-compatible endpoint, http://HOST/v1; default: $HUNMIN_JUDGE_URL": (
        "OpenAI 호환 주소, http://HOST/v1. 기본값: $HUNMIN_JUDGE_URL"
    ),
    "its model; default: $HUNMIN_JUDGE_MODEL; a key: only $HUNMIN_JUDGE_KEY": (
        "그곳의 모델. 기본값: $HUNMIN_JUDGE_MODEL. 열쇠는 $HUNMIN_JUDGE_KEY에서만"
    ),
    "instead: a model folder or a run on this machine": "그 대신 이 컴퓨터의 모델 폴더나 실행",
    "pairs at most, evenly over tasks": "견줄 쌍의 최대 개수. 과제마다 고르게",
    "at a time": "한꺼번에 보낼 요청",
    "seconds of a try": "한 번 기다리는 초",
    # arguments and options
    "a YAML file, such as configs/quickstart.yaml": "YAML 파일. 예: configs/quickstart.yaml",
    "dotted overrides, such as train.num_steps=20": "설정값을 점으로 이어 바꾼다. 예: train.num_steps=20",
    "the run folder; default: $HUNMIN_RUNS or runs/, plus the name": (
        "실행 폴더. 기본값: $HUNMIN_RUNS 또는 runs/ 아래 설정의 이름"
    ),
    "a YAML file; or a run folder, or its name below runs/": (
        "YAML 파일. 또는 실행 폴더나 runs/ 아래의 이름"
    ),
    "overrides of the config; or runs to set beside the first": (
        "설정을 바꾸는 값. 또는 처음 실행과 나란히 놓을 실행"
    ),
    "several runs: the page; default: beside the first run": (
        "실행이 여럿일 때 쓸 파일. 기본값: 처음 실행 폴더의 옆"
    ),
    "kmmlu, kobest, gsm8k …, or a file.yaml of your own": "kmmlu, kobest, gsm8k 등, 또는 직접 쓴 file.yaml",
    "where the questions lie; default: fetched/benchmarks": "문제가 있는 폴더. 기본값: fetched/benchmarks",
    "only bring the questions into that folder, and end": "문제를 그 폴더로 가져오기만 하고 끝낸다",
    "the first so many of each task, for a try": "시험 삼아 과제마다 앞에서부터 이만큼만",
    "worked examples before a question; default: the suite's": (
        "문제 앞에 보여 줄 풀이 예의 수. 기본값: 벤치마크의 것"
    ),
    "questions at a time; default: eval.batch_size of the run": (
        "한 번에 묻는 문제 수. 기본값: 실행의 eval.batch_size"
    ),
    "go on with another config; stages that change are kept aside": (
        "설정이 달라졌어도 계속한다. 달라지는 단계의 옛 결과는 따로 남는다"
    ),
    "print the result as one JSON object": "결과를 JSON 객체 하나로 출력한다",
    "also look at what this config needs": "이 설정에 필요한 것도 살펴본다",
    "also try whether the model hub answers": "모델 허브에 연결되는지도 확인한다",
    "tables, JSON, Parquet, Arrow, .po, or two line-parallel texts": (
        "표, JSON, Parquet, Arrow, .po, 또는 줄이 짝을 이루는 글 두 개"
    ),
    "the config to write": "새로 쓸 설정 파일",
    "a shipped task (sentiment, …) or a name of your own": "들어 있는 과제(sentiment 등)나 스스로 지은 이름",
    "the instruction of a task of your own, in your words": "스스로 지은 과제의 지시문",
    "FIELD=COLUMN: which column is input, answer, label …": "필드=열: input, answer, label 등이 어느 열인지",
    "alpaca, sharegpt, messages, table, parallel …; else detected": (
        "alpaca, sharegpt, messages, table, parallel 등. 없으면 알아낸다"
    ),
    "utf-8, cp949 …; else detected": "utf-8, cp949 등. 없으면 알아낸다",
    "tab, comma, semicolon, or the sign; else detected": "tab, comma, semicolon 또는 기호. 없으면 알아낸다",
    "a run folder, or its name below runs/": "실행 폴더, 또는 runs/ 아래의 이름",
    "the pack of this number": "이 번호의 묶음",
    "the row of this id, such as reviews:a.tsv:12.0": "이 id의 행. 예: reviews:a.tsv:12.0",
    "of the pack": "학습용(train) 묶음인지 검증용(val) 묶음인지",
    "of the pack; each epoch counts its own": "묶음의 에포크. 번호는 에포크마다 따로 센다",
    "what was not kept, for this reason or for any, and its text": (
        "걸러진 레코드와 그 글. 이유를 쓰면 그 이유로 걸러진 것만"
    ),
    "only what this source had": "이 소스에서 나온 것만",
    "at most so many of them; default: 20": "많아야 이만큼. 기본값: 20",
    "also the ids of the tokens": "토큰의 id도 보여 준다",
    "write it as a page to this file instead": "화면 대신 이 파일에 웹 페이지로 쓴다",
    "where to: a .jsonl or a .parquet file": "내보낼 파일. .jsonl 또는 .parquet",
    "which rows": "학습용(train), 검증용(val), 평가용(heldout) 가운데 어느 행인지",
    "as rendered in this epoch": "이 에포크에 만들어진 대로",
    "its position in the pack": "묶음 안에서의 위치",
    "talk to the model before training": "학습하기 전의 모델과 이야기한다",
    "where an answer is cut; default: as in eval": "답을 자르는 길이. 기본값: eval과 같음",
    "0 always takes the likeliest token": "0이면 언제나 가장 그럴듯한 토큰을 고른다",
    "a system message before it all": "대화 맨 앞에 둘 시스템 메시지",
    "the folder; default: fetched/, plus the name": "모을 폴더. 기본값: fetched/ 아래 설정의 이름",
    "slurm; ray: a Ray cluster that is up; here: this machine, in the background": (
        "slurm; ray: 이미 떠 있는 Ray 클러스터; here: 이 컴퓨터의 배경에서"
    ),
    "slurm: GPUs a host; default: as cluster says": "slurm: 한 대의 GPU 수. 기본값: cluster를 따름",
    "slurm: cores a host; default: cluster.num_cpus": "slurm: 한 대의 코어 수. 기본값: cluster.num_cpus",
    "slurm: limit, such as 2:00:00": "slurm: 시간 제한. 예: 2:00:00",
    "slurm: as sbatch": "slurm: sbatch의 옵션과 같음",
    "ray: http://HOST:PORT; default: $RAY_ADDRESS": "ray: http://호스트:포트. 기본값: $RAY_ADDRESS",
    "slurm: only print the job script": "slurm: 작업 스크립트를 출력만 한다",
    "show the log, end with the job's exit code": "기록을 보여 주며 기다리고, 작업의 종료 코드로 끝난다",
    "forms out; ratings in": "평가지 내보내기, 평가 들여오기",
    "import: what came back: CSV, XLSX, JSON": "import: 돌려받은 파일. CSV, XLSX, JSON",
    "export: two answers side by side, instead of one": "export: 답 하나씩이 아니라 두 답을 나란히",
    "export: questions, drawn evenly over the tasks": "export: 물을 질문 수. 과제마다 고르게 뽑는다",
    "export: people who rate; a form each": "export: 평가할 사람 수. 한 사람에 평가지 하나",
    "export: the forms' language; default: the terminal's": "export: 평가지의 언어. 기본값: 터미널의 언어",
}
