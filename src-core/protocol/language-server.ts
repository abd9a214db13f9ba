import type { DeviceReport } from '../engine/engine.ts';
import type { ErrorData } from '../errors.ts';
import type { Family, Relation } from '../analyses/definition.ts';
import { defaultMemoryLimit, type CaptureOptions, type InputOptions } from '../jobs/messages.ts';
import type { DownloadPlan } from '../models/hub/plan.ts';
import type { ModelOutline } from '../models/model.ts';
import type { Result, RunSummary } from '../results/schema.ts';
import { notification, request } from './message.ts';

/** `initializationOptions` of the language server. All optional: a plain LSP client sends none. */
export interface InitializationOptions {
  /** Folder for runs and activations; the command line's own where absent. */
  storage?: string;
  /** False in a workspace that the user does not trust: models are shown, never run. */
  trusted?: boolean;
  /** The client runs `repscope.analyzeModel` and `repscope.compareModels` itself (pickers). */
  clientCommands?: boolean;
}

/** Settings under `repscope`, pulled by `workspace/configuration`. */
export interface Settings {
  device: 'auto' | 'cpu' | 'webgpu' | 'cuda';
  codeLens: { enabled: boolean };
  /** Probe spec for analyses started from the editor; empty for the embedded default. */
  probe: string;
  /** Bytes that activations may take. */
  memoryLimit: number;
  /** Seconds after which an idle worker ends. */
  workerIdleSeconds: number;
}

export const defaultSettings: Settings = {
  device: 'auto',
  codeLens: { enabled: true },
  probe: '',
  memoryLimit: defaultMemoryLimit,
  workerIdleSeconds: 60,
};

/** One parameter of an analysis, for pickers and forms. */
export interface ParameterInfo {
  name: string;
  type: 'number' | 'boolean' | 'string' | 'choice';
  choices?: string[];
  /** Of a number: whether it is whole, and its inclusive bounds. */
  integer?: boolean;
  minimum?: number;
  maximum?: number;
  default: unknown;
  description: string;
}

export interface AnalysisInfo {
  id: string;
  family: Family;
  title: string;
  summary: string;
  arity: 1 | 2;
  relation?: Relation;
  labels?: 'required' | 'optional';
  params: ParameterInfo[];
  values: Record<string, string>;
  headline: string;
  formula: string;
  citation: string;
  misleads: string;
}

/** A place in a document that names a model. */
export interface ModelReference {
  /** Document URI. */
  uri: string;
  range: { start: Position; end: Position };
  /** As written (constants followed): path or hub id. */
  name: string;
  /** Absolute path, where it resolves. */
  path?: string;
}
interface Position {
  line: number;
  character: number;
}

/** A model of the workspace with all the places that name it. */
export interface WorkspaceModel {
  path: string;
  name: string;
  references: ModelReference[];
}

export interface AnalyzeParams extends CaptureOptions {
  analysis: string;
  /** Absolute paths, hub ids or matrix specs. */
  inputs: string[];
  /** What differs between inputs, one for each in their order. */
  each?: InputOptions[];
  /** File of labels, one for each sample; those of the probe where absent. */
  labels?: string;
  params?: Record<string, unknown>;
  /** Progress is reported on this token by `$/progress`. */
  workDoneToken?: string | number;
}
export interface CompareParams extends CaptureOptions {
  inputs: [string, string];
  params?: Record<string, unknown>;
  workDoneToken?: string | number;
}
export interface RunRecipeParams {
  /** Absolute path of the `.repscope.yaml` file, as saved. */
  path: string;
  workDoneToken?: string | number;
}
export interface RecipeAnswer {
  /** In the order of the recipe. */
  analyses: ({ name: string } & ({ answer: RunAnswer } | { error: ErrorData }))[];
}
export interface DownloadSizeParams {
  /** Hub id. */
  id: string;
  /** Branch, tag or commit; `main` where absent. */
  revision?: string;
}
export interface DownloadParams extends DownloadSizeParams {
  workDoneToken?: string | number;
}
export interface RunAnswer {
  run: RunSummary;
  result: Result;
  /** Set where the result could not be stored; it is then only here. */
  storeProblem?: string;
}

/** Client → server: all analyses with parameters, for pickers. */
export const ListAnalyses = request<null, AnalysisInfo[]>('repscope/analyses');
/** Client → server: models that open and saved documents of the workspace refer to. */
export const ListModels = request<null, WorkspaceModel[]>('repscope/models');
/** Client → server: what a model file says of itself. Never runs it. */
export const InspectModel = request<{ path: string }, ModelOutline>('repscope/inspect');
/** Client → server: run an analysis; cancellable; refused without trust. */
export const Analyze = request<AnalyzeParams, RunAnswer>('repscope/analyze');
/** Client → server: compare two models layer by layer; cancellable; refused without trust. */
export const Compare = request<CompareParams, RunAnswer>('repscope/compare');
/**
 * Client → server: run all analyses of a recipe file; cancellable; refused without trust. An analysis
 * that fails does not stop the others.
 */
export const RunRecipe = request<RunRecipeParams, RecipeAnswer>('repscope/runRecipe');
/** Client → server: what a download from the hub would fetch; fetches nothing. */
export const DownloadSize = request<DownloadSizeParams, DownloadPlan>('repscope/downloadSize');
/**
 * Client → server: download a model into the Hugging Face cache; cancellable. Only to be sent when
 * the user confirmed this download. Answers the folder.
 */
export const Download = request<DownloadParams, { path: string }>('repscope/download');
/** Client → server: stored runs, newest first. */
export const ListRuns = request<null, RunSummary[]>('repscope/runs');
/** Client → server: one stored result. */
export const GetRun = request<{ id: string }, RunAnswer>('repscope/run');
/** Client → server. */
export const DeleteRun = request<{ id: string }, null>('repscope/deleteRun');
/** Client → server: a stored result as text of the asked format. */
export const ExportRun = request<{ id: string; format: 'json' | 'csv' | 'html' }, string>(
  'repscope/export',
);
/** Client → server: devices this machine offers, and why not the rest. */
export const ListDevices = request<null, DeviceReport[]>('repscope/devices');
/** Client → server: process id of the worker and whether a job runs, for health display. */
export const WorkerStatus = request<null, { pid: number | null; busy: boolean }>(
  'repscope/workerStatus',
);
/** Client → server: the user granted trust. */
export const TrustGranted = notification<null>('repscope/trustGranted');

/** Server → client: the list of runs changed. */
export const RunsChanged = notification<null>('repscope/runsChanged');
/** Server → client: the list of workspace models changed. */
export const ModelsChanged = notification<null>('repscope/modelsChanged');

/** Commands that lenses, hovers and quick fixes name; the server's own say so in their names. */
export const commands = {
  /** Arguments: path. */
  analyzeModel: 'repscope.analyzeModel',
  /** Arguments: path. */
  compareModels: 'repscope.compareModels',
  /** Arguments: hub id. */
  downloadModel: 'repscope.downloadModel',
  /** Arguments: run id. */
  showRun: 'repscope.showRun',
  /** `workspace/executeCommand`, arguments: AnalyzeParams. Answers RunAnswer. */
  serverAnalyze: 'repscope.server.analyze',
  /** `workspace/executeCommand`, arguments: CompareParams. Answers RunAnswer. */
  serverCompare: 'repscope.server.compare',
} as const;
