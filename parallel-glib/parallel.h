/* parallel.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#define PARALLEL_INSIDE
#include <parallel-glib/parallel-async-task.h>
#include <parallel-glib/parallel-background-task-runner.h>
#include <parallel-glib/parallel-command-task.h>
#include <parallel-glib/parallel-function-task.h>
#include <parallel-glib/parallel-launcher.h>
#include <parallel-glib/parallel-run-error.h>
#include <parallel-glib/parallel-run-steps.h>
#include <parallel-glib/parallel-step.h>
#include <parallel-glib/parallel-task.h>
#include <parallel-glib/parallel-types.h>
#include <parallel-glib/parallel-version.h>
#include <parallel-glib/parallel-worker-server.h>
#include <parallel-glib/parallel-worker-task.h>
#include <parallel-glib/parallel-worker.h>
#undef PARALLEL_INSIDE
