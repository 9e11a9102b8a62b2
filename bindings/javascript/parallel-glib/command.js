// SPDX-License-Identifier: LGPL-2.1-or-later
// A program as a step.

import GLib from 'gi://GLib';
import Parallel from 'gi://Parallel?version=1';

import {applyToStep, checkCommandOptions, flag, isLauncher, kind, oneOf, text} from './options.js';

const PLACEHOLDER = '{}';

const isWord = value => typeof value === 'string' && !value.includes('\0');
const isWords = value => Array.isArray(value) && value.every(isWord);
const isEnvironment = value => typeof value === 'object' && Object.values(value).every(one => one === null || isWord(one));

const OPTIONS = {
  env: kind('an object of strings, or null for what is to be unset', isEnvironment, value => ({...value})),
  cwd: text,
  input: kind('a string or a Uint8Array', value => typeof value === 'string' || value instanceof Uint8Array),
  stdinPath: text,
  launcher: kind('an array of strings or a Parallel.Launcher', value => isWords(value) || isLauncher(value),
    value => isLauncher(value) ? value : [...value]),
  mergeStderr: flag,
  measureUsage: flag,
  containment: oneOf({group: Parallel.Containment.GROUP, tree: Parallel.Containment.TREE}),
};

/**
 * What a program has printed that has ended well.
 *
 * The output stays where the library keeps it, in a file without a name, until this object is gone; it is read when it is asked for.
 *
 * @example
 * const [listing] = await runParallelSteps([command(['ls'])], {outputMode: 'none'});
 * print(listing.stdout.split('\n').length);
 */
export class CompletedCommand {
  #step;

  constructor(argv, step) {
    this.argv = argv;
    this.duration = step.get_elapsed();
    this.#step = step;
  }

  /** What it wrote to its standard output, as text; what is no UTF-8 is replaced. */
  get stdout() {
    return new TextDecoder().decode(this.stdoutBytes);
  }

  /** What it wrote to its standard error, as text. */
  get stderr() {
    return new TextDecoder().decode(this.stderrBytes);
  }

  /** What it wrote to its standard output, as a Uint8Array. */
  get stdoutBytes() {
    return this.#step.dup_output(Parallel.OutputStream.STDOUT).toArray();
  }

  /** What it wrote to its standard error, as a Uint8Array. */
  get stderrBytes() {
    return this.#step.dup_output(Parallel.OutputStream.STDERR).toArray();
  }
}

/**
 * A program with its arguments. Made by command().
 *
 * @example
 * command(['gzip', '--keep', 'a file']).name   // "gzip --keep 'a file'"
 */
export class Command {
  #task = null;
  #launcher = null;

  constructor(argv, options) {
    this.argv = Object.freeze([...argv]);
    this.options = options;
    Object.freeze(this);
  }

  /** Its name in failures: the one it was given, or its command line. */
  get name() {
    return this.options.name ?? commandLine(this.argv);
  }

  // What follows is for the other parts of this module.

  nameOf(inputs) {
    return inputs.length > 0 ? commandLine(this.argvFor(this.encode(inputs))) : this.name;
  }

  argvFor(input) {
    return input === null ? this.argv : this.argv.map(word => word.replaceAll(PLACEHOLDER, () => input));
  }

  encode(inputs) {
    if (inputs.length === 0)
      return null;
    const [input] = inputs;
    if (inputs.length !== 1 || !(isWord(input) || Number.isFinite(input)))
      throw new TypeError(`The input of a command is one string or number, not ${inputs.map(String).join(', ')}`);
    if (!this.argv.some(word => word.includes(PLACEHOLDER)))
      throw new TypeError(`The command "${this.name}" has no ${PLACEHOLDER} for its input`);
    return String(input);
  }

  /** The library's task, which all its steps share that run in the same place: where the command says, or else where the run does. */
  taskFor(launcher = null) {
    const its = this.options.launcher;
    const place = isLauncher(its) ? its : launcher;
    if (this.#task === null || this.#launcher !== place) {
      this.#task = this.#makeTask(place, isWords(its) ? its : []);
      this.#launcher = place;
    }
    return this.#task;
  }

  #makeTask(launcher, prefix) {
    const {env = {}, cwd, input, stdinPath, mergeStderr, measureUsage, containment} = this.options;
    const task = Parallel.CommandTask.new(this.argv);
    if (launcher !== null) {
      task.set_launcher(launcher);
      prefix = [...environmentPrefix(env), ...prefix];
    } else {
      setEnvironment(task, env);
    }
    if (input !== undefined)
      task.set_stdin_bytes(new GLib.Bytes(typeof input === 'string' ? new TextEncoder().encode(input) : input));
    const settings = {
      cwd, stdin_path: stdinPath, launcher_prefix: prefix.length > 0 ? prefix : undefined, merge_stderr: mergeStderr,
      measure_usage: measureUsage, containment,
    };
    for (const [property, value] of Object.entries(settings)) {
      if (value !== undefined)
        task[property] = value;
    }
    return task;
  }

  /** A step for inputs. One of a list has none, and there a placeholder is just two characters: it stands for itself. */
  makeStep(inputs, workers, number, launcher) {
    const isInList = inputs === undefined;
    const input = !isInList ? this.encode(inputs) : this.argv.some(word => word.includes(PLACEHOLDER)) ? PLACEHOLDER : null;
    const step = Parallel.Step.new(this.taskFor(launcher), input);
    step.set_name(isInList ? this.name : this.nameOf(inputs));
    applyToStep(step, this.options);
    return step;
  }

  isExit() {
    return false;
  }

  indexOf(step) {
    return step.get_index();
  }

  inputOf(step) {
    const input = step.get_input();
    return input === null ? [] : [input];
  }

  resultOf(step) {
    return new CompletedCommand(this.argvFor(step.get_input()), step);
  }
}

function setEnvironment(task, changes) {
  for (const [variable, value] of Object.entries(changes)) {
    if (value === null)
      task.unsetenv(variable);
    else
      task.setenv(variable, value);
  }
}

// What makes the changes where it runs, to the environment that is there and not to that of this program.
function environmentPrefix(changes) {
  const words = Object.entries(changes).map(([name, value]) => value === null ? `--unset=${name}` : `${name}=${value}`);
  const isChange = word => !word.startsWith('--unset=');
  return words.length > 0 ? ['env', ...words.filter(word => !isChange(word)), ...words.filter(isChange)] : [];
}

function commandLine(argv) {
  return argv.map(word => /^[\w@%+=:,./-]+$/.test(word) ? word : GLib.shell_quote(word)).join(' ');
}

/**
 * A program to run as a step. No shell looks at it. Its result is a CompletedCommand. It fails with the kind 'exit', 'signal', or 'command'
 * if it cannot be started.
 *
 * @param {string[]} argv - the program and its arguments; where it is the task of a BackgroundTaskRunner, `{}` in them stands for the input
 * @param {object} options - env: variables to set, or with null to unset, in the environment it inherits; cwd: its working directory;
 *   input: what it reads, a string or a Uint8Array, by default nothing; stdinPath: a file to read instead;
 *   launcher: what to put in front, as ['nice', '-n', '10'], or a Parallel.Launcher that says where it runs: working directory,
 *   file and environment are those that are there, then; mergeStderr: whether its standard error goes where its standard output goes;
 *   measureUsage: whether its processor time and memory are measured, for the Parallel.Step; containment: 'group' or 'tree', where nothing
 *   that it has started outlives it; and name, timeout, silenceTimeout, maxAttempts and priority as for call()
 * @returns {Command} what runParallelSteps() and BackgroundTaskRunner take
 * @throws {TypeError} for what is no array of strings, and for an unknown option
 * @example
 * await runParallelSteps([command(['gzip', 'a.txt']), command(['gzip', 'b.txt'], {timeout: 60})]);
 */
export function command(argv, options = {}) {
  if (!isWords(argv) || argv.length === 0) {
    const hint = typeof argv === 'string' ? "; for a line of a shell's: command(['sh', '-c', line])" : '';
    throw new TypeError(`A command must be an array of strings, a program and its arguments, not ${String(argv)}${hint}`);
  }
  const checked = checkCommandOptions(options, OPTIONS);
  if (checked.input !== undefined && checked.stdinPath !== undefined)
    throw new TypeError('The options "input" and "stdinPath" of command() exclude each other');
  return new Command(argv, checked);
}
