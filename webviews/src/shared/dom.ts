type Child = Node | string | null | undefined | false;

/** Attributes; `class` too, and `onclick`-like listeners as functions. Never HTML text. */
export type Props = Record<
  string,
  string | number | boolean | ((event: Event) => void) | undefined
>;

/**
 * A new element. Text goes in as text nodes, so that names from files are never read as HTML, and
 * there is no way to set an inline style attribute, which the content security policy would refuse.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

export function append(parent: Node, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  }
}

let nextId = 0;

/** An id that no other element of the page has. */
export const uniqueId = (prefix: string): string => `${prefix}-${nextId++}`;
