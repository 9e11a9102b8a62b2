// SPDX-License-Identifier: LGPL-2.1-or-later
// Functions in worker processes, programs, and one error for all that failed: the module for GJS programs.
//
//   import {call, command, runParallelSteps} from 'file:///usr/share/gjs-1.0/parallel-glib/parallel.js';
//
// or, wherever it is installed:
//
//   import Parallel from 'gi://Parallel?version=1';
//   const {call, command, runParallelSteps} = await import(Parallel.module_uri);

import Parallel from 'gi://Parallel?version=1';

import {BackgroundTaskRunner} from './runner.js';
import {Call, call} from './call.js';
import {Command, CompletedCommand, command} from './command.js';
import {FinishedStep} from './finished.js';
import {runMain} from './main.js';
import {heartbeat, isWorker, report} from './worker-side.js';
import {runParallelSteps} from './steps.js';

if (!Parallel.BackgroundFailure) {
  throw new Error('GJS has not found the overrides of Parallel, which are installed with this module: ' +
    'put the folder that holds their folder "overrides" into GJS_PATH');
}

const {BackgroundFailure, Failure, StepError} = Parallel;

export {
  BackgroundFailure,
  BackgroundTaskRunner,
  Call,
  Command,
  CompletedCommand,
  Failure,
  FinishedStep,
  StepError,
  call,
  command,
  heartbeat,
  isWorker,
  report,
  runMain,
  runParallelSteps,
};
