import { describe, expect, test } from 'vitest';
import { SourceTree } from './source-tree.ts';
import { syntaxOf } from './syntax.ts';

const syntax = await syntaxOf('python')!;

/** `[source, name, loader]` of every mention. */
function mentions(source: string, file: string | undefined = '/w/app/main.py'): unknown[] {
  const tree = new SourceTree(syntax, source);
  const found = tree.mentions(file);
  tree.delete();
  return found.map(({ start, end, name, loader }) => [
    source.slice(start, end),
    name,
    loader?.name ?? null,
  ]);
}

const names = (source: string, file?: string) =>
  mentions(source, file)
    .filter((mention) => (mention as unknown[])[2] !== null)
    .map((mention) => (mention as unknown[])[1]);

describe('loader calls', () => {
  test.each([
    ['import transformers\ntransformers.AutoModel.from_pretrained("org/name")', 'org/name'],
    ['from transformers import BertModel\nBertModel.from_pretrained("./bert")', './bert'],
    ['M.from_pretrained(pretrained_model_name_or_path="org/name")', 'org/name'],
    ['self.model_class.from_pretrained("org/name", revision="main")', 'org/name'],
    ['from transformers import pipeline\npipeline("fill-mask", model="org/name")', 'org/name'],
    ['from transformers import pipeline as p\np("fill-mask", "org/name")', 'org/name'],
    ['from sentence_transformers import SentenceTransformer\nSentenceTransformer("a/b")', 'a/b'],
    ['import sentence_transformers as st\nst.SentenceTransformer(model_name_or_path="a/b")', 'a/b'],
    ['import onnxruntime as ort\nort.InferenceSession("m.onnx")', 'm.onnx'],
    ['from onnxruntime import InferenceSession as S\nS(path_or_bytes="m.onnx")', 'm.onnx'],
    ['import onnx\nonnx.load("m.onnx")', 'm.onnx'],
    ['import onnx as ox\nox.load_model("m.onnx")', 'm.onnx'],
    ['from onnx import load\nload("m")', 'm'],
    ['import torch\ntorch.load("m.pt", map_location="cpu")', 'm.pt'],
    ['from torch import load as torch_load\ntorch_load("m.pth")', 'm.pth'],
    ['import tensorflow as tf\ntf.keras.models.load_model("m.h5")', 'm.h5'],
    ['from keras.models import load_model\nload_model(filepath="m.keras")', 'm.keras'],
    ['from llama_cpp import Llama\nLlama(model_path="m.gguf", n_ctx=512)', 'm.gguf'],
    ['from gguf import GGUFReader\nGGUFReader("m.gguf")', 'm.gguf'],
    ['from safetensors.torch import load_file\nload_file("m.safetensors")', 'm.safetensors'],
    ['import safetensors.numpy\nsafetensors.numpy.load_file("m.safetensors")', 'm.safetensors'],
    [
      'from safetensors import safe_open\nwith safe_open("m.safetensors", "pt") as f: pass',
      'm.safetensors',
    ],
    ['import timm\ntimm.create_model("hf_hub:timm/vit", pretrained=True)', 'timm/vit'],
    ['import timm\ntimm.create_model("vit", checkpoint_path="vit.safetensors")', 'vit.safetensors'],
  ])('%s', (source, name) => {
    expect(names(source)).toEqual([name]);
  });

  test.each([
    'def load_file(path): pass\nload_file("notes")',
    'from json import load\nload("m")',
    'import json\njson.load("m")',
    'import pickle\npickle.load("m")',
    'import torch\ntorch.save("m")',
    'from mylib import pipeline\npipeline("task", model="org/name")',
    'class InferenceSession: pass\nInferenceSession("m")',
    'import timm\ntimm.create_model("resnet50")',
    'AutoModel.from_config("org/name")',
    'AutoModel.from_pretrained()',
    'import onnx\nonnx.load(open("m"))',
    'onnx.load(*paths)',
    '# onnx.load("m.onnx")',
    'import onnx\nonnx.load(b"m.onnx")',
    'import onnxruntime\nonnxruntime.InferenceSession("https://example.org/m.onnx")',
  ])('not one: %s', (source) => {
    expect(names(source)).toEqual([]);
  });

  test('a tokenizer names the model without loading it', () => {
    const source = 'AutoTokenizer.from_pretrained("a/b")\nAutoModel.from_pretrained("a/b")';
    const found = new SourceTree(syntax, source).mentions(undefined);
    expect(found.map(({ loader }) => loader?.loads)).toEqual([false, true]);
  });
});

describe('values followed', () => {
  const load = (expression: string, before = '') =>
    names(`import os\nfrom pathlib import Path\nimport onnx\n${before}\nonnx.load(${expression})`);

  test.each([
    ['P', 'P = "a.onnx"', 'a.onnx'],
    ['P', 'P: str = "a.onnx"', 'a.onnx'],
    ['P', 'P = Q = "a.onnx"', 'a.onnx'],
    ['P', 'P = "a.onnx"\nP = "b.onnx"', 'b.onnx'],
    ['P', 'P = "a"\nP += ".onnx"', 'a.onnx'],
    ['(P := "a.onnx")', '', 'a.onnx'],
    ['"dir/" + P', 'P = "a.onnx"', 'dir/a.onnx'],
    ['"dir/" "a.onnx"', '', 'dir/a.onnx'],
    ['f"{D}/a-{n}.onnx"', 'D = "dir"\nn = 3', 'dir/a-3.onnx'],
    ['f"{{x}}.onnx"', '', '{x}.onnx'],
    ['r"dir\\a.onnx"', '', 'dir\\a.onnx'],
    ['"d\\x61.onnx"', '', 'da.onnx'],
    ['os.path.join("dir", "sub", P)', 'P = "a.onnx"', 'dir/sub/a.onnx'],
    ['os.path.join("dir", "/abs/a.onnx")', '', '/abs/a.onnx'],
    ['Path("dir") / "a.onnx"', '', 'dir/a.onnx'],
    ['str(Path("dir", "a.onnx"))', '', 'dir/a.onnx'],
    ['Path("dir").joinpath("a.onnx").as_posix()', '', 'dir/a.onnx'],
    ['os.path.join(os.path.dirname(__file__), "a.onnx")', '', '/w/app/a.onnx'],
    ['os.path.join(os.path.dirname(os.path.abspath(__file__)), "a.onnx")', '', '/w/app/a.onnx'],
    ['Path(__file__).resolve().parent.parent / "a.onnx"', '', '/w/a.onnx'],
    ['Path(__file__).parents[1] / "a.onnx"', '', '/w/a.onnx'],
    ['P', 'with open("x") as f:\n    P = "a.onnx"', 'a.onnx'],
  ])('%s after %s', (expression, before, name) => {
    expect(load(expression, before)).toEqual([name]);
  });

  test.each([
    ['P', ''],
    ['P', 'P = input()'],
    ['P', 'if x:\n    P = "a.onnx"'],
    ['P', 'P = "a.onnx"\nif x:\n    P = "b.onnx"'],
    ['P', 'P = "a.onnx"\nfor P in paths: pass'],
    ['P', 'P = "a.onnx"\nP, Q = f()'],
    ['P', 'P = "a.onnx"\ndel P'],
    ['P', 'P = "a.onnx"\ndef P(): pass'],
    ['P', 'P = "a.onnx"\ndef f():\n    global P\n    P = "b.onnx"'],
    ['P', 'class C:\n    P = "a.onnx"'],
    ['P + 1', 'P = "a.onnx"'],
    ['"a" if x else "b"', ''],
    ['f"{P!r}.onnx"', 'P = "a"'],
    ['f"{n:03d}.onnx"', 'n = 1'],
    ['os.path.join(D, "a.onnx")', ''],
    ['os.environ["MODEL"]', ''],
    ['"a" / "b.onnx"', ''],
    ['P', 'P = P + "a.onnx"'],
    ['"a" "\\N{DIGIT ONE}.onnx"', ''],
  ])('not %s after %s', (expression, before) => {
    expect(load(expression, before)).toEqual([]);
  });

  test('functions see their own names first, then the file’s', () => {
    const source = [
      'import onnx',
      'P = "outer.onnx"',
      'def own():',
      '    P = "own.onnx"',
      '    onnx.load(P)',
      'def outer():',
      '    onnx.load(P)',
      'def given(P):',
      '    onnx.load(P)',
      'def later():',
      '    onnx.load(Q)',
      'Q = "later.onnx"',
      'class C:',
      '    P = "class.onnx"',
      '    def method(self):',
      '        onnx.load(P)',
    ].join('\n');
    expect(names(source)).toEqual(['own.onnx', 'outer.onnx', 'later.onnx', 'outer.onnx']);
  });

  test('a name that is bound twice is unknown inside a function', () => {
    const source = 'import onnx\nP = "a.onnx"\nP = "b.onnx"\ndef f():\n    onnx.load(P)';
    expect(names(source)).toEqual([]);
  });

  test('a loop brings a later assignment round', () => {
    const loop = 'import onnx\nP = "a.onnx"\nfor i in x:\n    onnx.load(P)\n';
    expect(names(loop)).toEqual(['a.onnx']);
    expect(names(`${loop}    P = "b.onnx"`)).toEqual([]);
  });

  test('branches that hold the use are followed', () => {
    expect(names('import onnx\nif x:\n    P = "a.onnx"\n    onnx.load(P)')).toEqual(['a.onnx']);
    expect(names('import onnx\nif x:\n    P = "a.onnx"\nelse:\n    onnx.load(P)')).toEqual([]);
  });

  test('comprehensions see the names around them and hide their own', () => {
    expect(names('import onnx\nP = "a.onnx"\n[onnx.load(P) for x in y]')).toEqual(['a.onnx']);
    expect(names('import onnx\nP = "a.onnx"\n[onnx.load(P) for P in y]')).toEqual([]);
  });

  test('__file__ is unknown in a document that was never saved', () => {
    const source =
      'import onnx\nfrom pathlib import Path\nonnx.load(Path(__file__).parent / "a.onnx")';
    expect(new SourceTree(syntax, source).mentions(undefined)).toEqual([]);
  });

  test('cycles and deep chains end', () => {
    const chain = Array.from({ length: 200 }, (_, i) => `a${i + 1} = a${i} + "x"`).join('\n');
    expect(names(`import onnx\na0 = "m"\n${chain}\nonnx.load(a200)`)).toEqual([]);
    expect(names('import onnx\ndef f():\n    onnx.load(a)\na = b\nb = a')).toEqual([]);
  });
});

describe('strings with a model ending', () => {
  test.each([
    ['x = "dir/a.onnx"', [['"dir/a.onnx"', 'dir/a.onnx', null]]],
    ['x = "a.ONNX"', [['"a.ONNX"', 'a.ONNX', null]]],
    ['f("a.safetensors", 1)', [['"a.safetensors"', 'a.safetensors', null]]],
    [
      '"a.gguf" if x else "c.h5"',
      [
        ['"a.gguf"', 'a.gguf', null],
        ['"c.h5"', 'c.h5', null],
      ],
    ],
    ['from pathlib import Path\nPath("d") / "a.onnx"', [['"a.onnx"', 'd/a.onnx', null]]],
    ['x = "a.onnx.bak"', []],
    ['x = ".onnx"', []],
    ['x = "a.npz"', []],
    ['x = unknown + "a.onnx"', []],
    ['x = "a.onnx" + unknown', []],
    ['x = f"{unknown}/a.onnx"', []],
    ['import os\nx = os.path.join(unknown, "a.onnx")', []],
    ['x = b"a.onnx"', []],
  ])('%s', (source, expected) => {
    expect(mentions(source)).toEqual(expected);
  });

  test('the argument of a loader call is told once', () => {
    expect(mentions('import onnx\nonnx.load("a.onnx")')).toEqual([
      ['"a.onnx"', 'a.onnx', 'onnx.load'],
    ]);
  });

  test('broken code is searched as far as it goes', () => {
    expect(names('import onnx\nonnx.load("a.onnx")\ndef (((\nx = [')).toEqual(['a.onnx']);
  });
});
