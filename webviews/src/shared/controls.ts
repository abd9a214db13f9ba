// The only module that knows the control library; everything else uses these functions.
import './nonce.ts';
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';

provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodeTextField(),
);

type Appearance = 'primary' | 'secondary';

/** A push button. `description` is its accessible name where the label alone is not enough. */
export function button(
  label: string,
  pressed: () => void,
  appearance: Appearance = 'secondary',
  description = label,
): HTMLElement {
  const element = document.createElement('vscode-button');
  element.setAttribute('appearance', appearance);
  element.textContent = label;
  if (description !== label) {
    element.setAttribute('aria-label', description);
    element.title = description;
  }
  element.addEventListener('click', pressed);
  return element;
}

/** A button that stays down. */
export function toggle(
  label: string,
  changed: (on: boolean) => void,
  description = label,
): HTMLElement {
  let on = false;
  const element = button(
    label,
    () => {
      on = !on;
      element.setAttribute('aria-pressed', String(on));
      changed(on);
    },
    'secondary',
    description,
  );
  element.setAttribute('aria-pressed', 'false');
  return element;
}

export interface Dropdown {
  element: HTMLElement;
  /** Shows the option without calling back. */
  set(value: string): void;
}

/** A list to choose one of; options are [value, label]. */
export function dropdown(
  name: string,
  options: readonly (readonly [string, string])[],
  changed: (value: string) => void,
): Dropdown {
  const element = document.createElement('vscode-dropdown') as HTMLElement & { value: string };
  element.setAttribute('aria-label', name);
  for (const [value, label] of options) {
    const option = document.createElement('vscode-option') as HTMLElement & { value: string };
    option.setAttribute('value', value);
    option.textContent = label;
    element.append(option);
  }
  element.addEventListener('change', () => changed(element.value));
  return {
    element,
    set: (value) => {
      element.value = value;
    },
  };
}

/** A one-line filter box under its label; the library takes the accessible name from the label. */
export function filterBox(
  label: string,
  placeholder: string,
  changed: (text: string) => void,
): HTMLElement {
  const element = document.createElement('vscode-text-field') as HTMLElement & { value: string };
  element.textContent = label;
  element.setAttribute('placeholder', placeholder);
  element.addEventListener('input', () => changed(element.value));
  return element;
}
