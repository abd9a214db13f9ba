// Reads pickles as data. Nothing is imported, built or called except what the reader's host lists.
import { UserError } from '../errors.ts';

/** A Python list is a JavaScript array; what has no other form is an object of the host. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Tuple
  | Dict
  | Global
  | Refused
  | HostValue;

export class Tuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

export class Dict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

/** A class or function by its dotted name; never looked up. */
export class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What the pickle wanted from a global that is not on the list, with all that it wanted to put in. */
export class Refused {
  readonly name: string;
  readonly parts: PickleValue[];
  readonly entries = new Dict();
  constructor(name: string, parts: PickleValue[]) {
    this.name = name;
    this.parts = parts;
  }
}

/** Base of the host's own values. */
export abstract class HostValue {
  /** Says what it is. */
  abstract readonly kind: string;
}

/** What a pickle may ask for. */
export interface PickleHost {
  /** Whether the pickle may name this global. */
  knows(name: string): boolean;
  /** The value that a call gives; undefined where it is not to be called. */
  call(name: string, args: readonly PickleValue[]): PickleValue | undefined;
  /** An object kept outside the pickle; undefined where the id means nothing. */
  persistent(id: PickleValue): PickleValue | undefined;
}

export interface Unpickled {
  value: PickleValue;
  /** Globals not on the list, and whether the pickle wanted them run or only imported. */
  refused: ReadonlyMap<string, 'run' | 'import'>;
}

/** A checkpoint takes about 40 operations a tensor. */
const maxOperations = 5_000_000;
const maxIntegerBytes = 1024;
const maxLine = 65_536;

/**
 * Reads a pickle of protocol 0 to 5.
 * @throws UserError `not-a-model` where it is damaged, `truncated` where it ends too soon.
 */
export function unpickle(bytes: Uint8Array, label: string, host: PickleHost): Unpickled {
  return new Machine(bytes, label, host).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #label: string;
  readonly #host: PickleHost;
  readonly #stack: PickleValue[] = [];
  /** Heights of the stack where marks were set. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #refused = new Map<string, 'run' | 'import'>();
  #at = 0;

  constructor(bytes: Uint8Array, label: string, host: PickleHost) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#label = label;
    this.#host = host;
  }

  run(): Unpickled {
    for (let count = 0; count < maxOperations; count++) {
      const code = this.#bytes[this.#take(1)]!;
      if (code === 0x2e) return { value: this.#pop(), refused: this.#refused };
      this.#step(code);
    }
    throw this.#damaged(`more than ${maxOperations} operations`);
  }

  #damaged(what: string): UserError {
    return new UserError(
      'not-a-model',
      this.#label,
      `is not a sound pickle: ${what}`,
      'save it again',
    );
  }

  /** The place of the next `length` bytes. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) {
      throw new UserError(
        'truncated',
        this.#label,
        `needs ${at + length} bytes but has ${this.#bytes.length}`,
        'copy or save it again',
      );
    }
    this.#at = at + length;
    return at;
  }

  #slice(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #uint8 = () => this.#bytes[this.#take(1)]!;
  #uint16 = () => this.#view.getUint16(this.#take(2), true);
  #int32 = () => this.#view.getInt32(this.#take(4), true);
  #uint32 = () => this.#view.getUint32(this.#take(4), true);

  #size64(): number {
    const size = this.#view.getBigUint64(this.#take(8), true);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#damaged(`a size of ${size}`);
    return Number(size);
  }

  #text(length: number): string {
    return Buffer.from(this.#slice(length)).toString('utf8');
  }

  #line(): string {
    const end = this.#bytes.indexOf(10, this.#at);
    const length = (end === -1 ? this.#bytes.length : end) - this.#at;
    if (length > maxLine) throw this.#damaged('a line is too long');
    const line = this.#text(length);
    this.#take(1);
    return line;
  }

  /** Little-endian two's complement. */
  #integer(length: number): number | bigint {
    if (length > maxIntegerBytes) throw this.#damaged(`an integer of ${length} bytes`);
    const bytes = this.#slice(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return simple(BigInt.asIntN(length * 8, value));
  }

  #decimal(text: string): number | bigint {
    if (!/^[+-]?\d{1,1000}L?$/.test(text)) throw this.#damaged('a number is not one');
    return simple(BigInt(text.replace(/^\+|L$/g, '')));
  }

  #push(value: PickleValue): void {
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#damaged('its stack is empty');
    return this.#stack.pop()!;
  }

  #top(): PickleValue {
    const value = this.#pop();
    this.#push(value);
    return value;
  }

  /** What was pushed since the last mark. */
  #popMark(): PickleValue[] {
    const height = this.#marks.pop();
    if (height === undefined) throw this.#damaged('a mark is missing');
    return this.#stack.splice(height);
  }

  #popTuple(length: number): Tuple {
    const items = Array.from({ length }, () => this.#pop());
    return new Tuple(items.reverse());
  }

  #recall(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) throw this.#damaged('it recalls what it never kept');
    this.#push(value);
  }

  #global(name: string): void {
    if (!this.#host.knows(name) && !this.#refused.has(name)) this.#refused.set(name, 'import');
    this.#push(new Global(name));
  }

  /** Gives what `callee` makes of its arguments, or stands for it where it is not on the list. */
  #call(callee: PickleValue, args: readonly PickleValue[]): PickleValue {
    if (callee instanceof Global) {
      const value = this.#host.knows(callee.name) ? this.#host.call(callee.name, args) : undefined;
      if (value !== undefined) return value;
    } else if (!(callee instanceof Refused)) {
      throw this.#damaged('it calls what cannot be called');
    }
    this.#refused.set(callee.name, 'run');
    return new Refused(callee.name, [...args]);
  }

  #args(value: PickleValue): readonly PickleValue[] {
    if (value instanceof Tuple) return value.items;
    if (value instanceof Refused) return [value];
    throw this.#damaged('arguments are not a tuple');
  }

  #append(list: PickleValue, items: readonly PickleValue[]): void {
    const target = list instanceof Refused ? list.parts : list;
    // Other values take items in Python through methods that are not run here.
    if (!Array.isArray(target)) {
      if (list instanceof HostValue) return;
      throw this.#damaged('it appends to what is no list');
    }
    for (const item of items) target.push(item);
  }

  #setItems(dict: PickleValue, items: readonly PickleValue[]): void {
    const target = dict instanceof Refused ? dict.entries : dict;
    if (!(target instanceof Dict) || items.length % 2 !== 0) {
      if (dict instanceof HostValue) return;
      throw this.#damaged('it sets items of what is no dictionary');
    }
    for (let i = 0; i < items.length; i += 2) target.entries.set(items[i]!, items[i + 1]!);
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    // Attributes of listed values, such as the versions of a state dict, say nothing of weights.
    if (!(target instanceof Refused)) return;
    this.#refused.set(target.name, 'run');
    target.parts.push(state);
  }

  #persistentValue(id: PickleValue): void {
    const value = this.#host.persistent(id);
    if (value === undefined) throw this.#damaged('it refers to an unknown kind of object');
    this.#push(value);
  }

  /** Opcodes as Python's pickletools lists them. */
  #step(code: number): void {
    switch (String.fromCharCode(code)) {
      case '(':
        this.#marks.push(this.#stack.length);
        break;
      case '0':
        this.#pop();
        break;
      case '1':
        this.#popMark();
        break;
      case '2':
        this.#push(this.#top());
        break;
      case 'N':
        this.#push(null);
        break;
      case '\x88':
        this.#push(true);
        break;
      case '\x89':
        this.#push(false);
        break;
      case 'I': {
        const line = this.#line();
        this.#push(/^0[01]$/.test(line) ? line === '01' : this.#decimal(line));
        break;
      }
      case 'L':
        this.#push(this.#decimal(this.#line()));
        break;
      case 'J':
        this.#push(this.#int32());
        break;
      case 'K':
        this.#push(this.#uint8());
        break;
      case 'M':
        this.#push(this.#uint16());
        break;
      case '\x8a':
        this.#push(this.#integer(this.#uint8()));
        break;
      case '\x8b':
        this.#push(this.#integer(this.#uint32()));
        break;
      case 'F':
        this.#push(Number(this.#line()));
        break;
      case 'G':
        this.#push(this.#view.getFloat64(this.#take(8)));
        break;
      case 'S':
        this.#push(this.#line().replace(/^(['"])(.*)\1$/, '$2'));
        break;
      case 'V':
        this.#push(this.#line());
        break;
      case 'T':
        this.#push(this.#text(this.#uint32()));
        break;
      case 'U':
      case '\x8c':
        this.#push(this.#text(this.#uint8()));
        break;
      case 'X':
        this.#push(this.#text(this.#uint32()));
        break;
      case '\x8d':
        this.#push(this.#text(this.#size64()));
        break;
      case 'B':
        this.#push(this.#slice(this.#uint32()));
        break;
      case 'C':
        this.#push(this.#slice(this.#uint8()));
        break;
      case '\x8e':
      case '\x96':
        this.#push(this.#slice(this.#size64()));
        break;
      case ']':
      case '\x8f':
        this.#push([]);
        break;
      case 'l':
      case '\x91':
        this.#push(this.#popMark());
        break;
      case ')':
        this.#push(new Tuple([]));
        break;
      case 't':
        this.#push(new Tuple(this.#popMark()));
        break;
      case '\x85':
        this.#push(this.#popTuple(1));
        break;
      case '\x86':
        this.#push(this.#popTuple(2));
        break;
      case '\x87':
        this.#push(this.#popTuple(3));
        break;
      case '}':
        this.#push(new Dict());
        break;
      case 'd': {
        const items = this.#popMark();
        const dict = new Dict();
        this.#setItems(dict, items);
        this.#push(dict);
        break;
      }
      case 'a': {
        const item = this.#pop();
        this.#append(this.#top(), [item]);
        break;
      }
      case 'e':
      case '\x90': {
        const items = this.#popMark();
        this.#append(this.#top(), items);
        break;
      }
      case 's': {
        const value = this.#pop();
        const key = this.#pop();
        this.#setItems(this.#top(), [key, value]);
        break;
      }
      case 'u': {
        const items = this.#popMark();
        this.#setItems(this.#top(), items);
        break;
      }
      case 'p':
        this.#memo.set(Number(this.#line()), this.#top());
        break;
      case 'q':
        this.#memo.set(this.#uint8(), this.#top());
        break;
      case 'r':
        this.#memo.set(this.#uint32(), this.#top());
        break;
      case '\x94':
        this.#memo.set(this.#memo.size, this.#top());
        break;
      case 'g':
        this.#recall(Number(this.#line()));
        break;
      case 'h':
        this.#recall(this.#uint8());
        break;
      case 'j':
        this.#recall(this.#uint32());
        break;
      case 'c': {
        const module = this.#line();
        this.#global(`${module}.${this.#line()}`);
        break;
      }
      case '\x93': {
        const [module, name] = this.#popTuple(2).items;
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw this.#damaged('a global has no name');
        }
        this.#global(`${module}.${name}`);
        break;
      }
      case 'R':
      case '\x81': {
        const args = this.#args(this.#pop());
        this.#push(this.#call(this.#pop(), args));
        break;
      }
      case '\x92': {
        const named = this.#pop();
        const args = this.#args(this.#pop());
        this.#push(this.#call(this.#pop(), [...args, named]));
        break;
      }
      case 'i': {
        const module = this.#line();
        this.#global(`${module}.${this.#line()}`);
        const callee = this.#pop();
        this.#push(this.#call(callee, this.#popMark()));
        break;
      }
      case 'o': {
        const [callee, ...args] = this.#popMark();
        if (callee === undefined) throw this.#damaged('an object has no class');
        this.#push(this.#call(callee, args));
        break;
      }
      case 'b':
        this.#build();
        break;
      case 'P':
        this.#persistentValue(this.#line());
        break;
      case 'Q':
        this.#persistentValue(this.#pop());
        break;
      case '\x82':
        this.#global(`copyreg.extension ${this.#uint8()}`);
        break;
      case '\x83':
        this.#global(`copyreg.extension ${this.#uint16()}`);
        break;
      case '\x84':
        this.#global(`copyreg.extension ${this.#uint32()}`);
        break;
      case '\x80':
        if (this.#uint8() > 5) throw this.#damaged('its protocol is unknown');
        break;
      case '\x95':
        this.#take(8);
        break;
      default:
        throw this.#damaged(`the operation 0x${code.toString(16)} is not allowed`);
    }
  }
}

const simple = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
