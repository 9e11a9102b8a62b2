/* parallel-exec.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-exec-protocol.h"

#include "parallel-exec-syscalls.h"

/* What the files of parallel-glib-exec share:
 *
 * parallel-glib-exec.c: prepares the process and becomes the program of the step.
 * parallel-exec-supervise.c: stays beside the program instead, and reports its end.
 * parallel-exec-guard.c: the guardian, one for each program that runs steps. */

#define ALL_SIGNALS UINT64_MAX
#define SIGNAL_BIT(number) ((uint64_t) 1 << ((number) - 1))

typedef struct
{
  long   pid;
  long   parent;    /* the program that runs the steps */
  int    death;     /* the signal that the program gets when the one before it dies */
  char **args;      /* all of the helper's own */
  char **env;
} Helper;

void report         (const ParallelExecRecord *record);

void fail           (const Helper             *helper,
                     ParallelExecKind          kind,
                     long                      error) __attribute__ ((noreturn));

/* Asks for @number, SIGKILL mostly, when the thread that started this one ends; ends at once if
 * @parent has died before that. */
void die_with       (long                      parent,
                     int                       number);

/* Digits at the start of @text; 0 if there are none. */
long parse_number   (const char               *text);

void close_from     (unsigned int              first,
                     unsigned int              last);

void become_program (const Helper             *helper) __attribute__ ((noreturn));

void supervise      (const Helper             *helper,
                     int                       tree) __attribute__ ((noreturn));

void guard          (const Helper             *helper) __attribute__ ((noreturn));
