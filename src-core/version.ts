/** Version of Repscope, recorded in every result. A test ties it to the manifest. */
export const version = '0.1.0';
