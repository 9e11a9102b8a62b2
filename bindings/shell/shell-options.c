/* shell-options.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* getopt and not GOption, which knows neither "-j4" nor an optional argument that must be joined,
 * as in "--steps[=FILE]". */

#define INPUTS_MARK ":::"

/* The library's own limit; more is a slip of the finger. */
#define MAX_PARALLEL 100000

/* Thirty years; what is meant to be no limit at all is 0. */
#define MAX_SECONDS  1e9

enum
{
  OPTION_HALT_ON_ERROR = 256,
  OPTION_TIMEOUT,
  OPTION_SILENCE_TIMEOUT,
  OPTION_EXIT_TIMEOUT,
  OPTION_KILL_GRACE,
  OPTION_TERM_SEQ,
  OPTION_CONTAINMENT,
  OPTION_BACKTRACES,
  OPTION_MAX_ATTEMPTS,
  OPTION_OUTPUT,
  OPTION_HOLD,
  OPTION_PROGRESS,
  OPTION_LAUNCHER,
  OPTION_SLURM,
  OPTION_SSH,
  OPTION_IMMEDIATE,
  OPTION_STEPS,
  OPTION_VERSION,
  OPTION_HELP
};

/* "+": the first word that is no option is the command, and what follows is its own. */
static const char short_options[] = "+j:0a:r";

static const struct option long_options[] =
{
  { "max-parallel", required_argument, NULL, 'j' },
  { "halt-on-error", no_argument, NULL, OPTION_HALT_ON_ERROR },
  { "timeout", required_argument, NULL, OPTION_TIMEOUT },
  { "silence-timeout", required_argument, NULL, OPTION_SILENCE_TIMEOUT },
  { "exit-timeout", required_argument, NULL, OPTION_EXIT_TIMEOUT },
  { "kill-grace", required_argument, NULL, OPTION_KILL_GRACE },
  { "term-seq", required_argument, NULL, OPTION_TERM_SEQ },
  { "termseq", required_argument, NULL, OPTION_TERM_SEQ },
  { "containment", required_argument, NULL, OPTION_CONTAINMENT },
  { "backtraces", no_argument, NULL, OPTION_BACKTRACES },
  { "max-attempts", required_argument, NULL, OPTION_MAX_ATTEMPTS },
  { "output", required_argument, NULL, OPTION_OUTPUT },
  { "hold", no_argument, NULL, OPTION_HOLD },
  { "progress", no_argument, NULL, OPTION_PROGRESS },
  { "launcher", required_argument, NULL, OPTION_LAUNCHER },
  { "slurm", optional_argument, NULL, OPTION_SLURM },
  { "ssh", required_argument, NULL, OPTION_SSH },
  { "immediate", optional_argument, NULL, OPTION_IMMEDIATE },
  { "no-run-if-empty", no_argument, NULL, 'r' },
  { "null", no_argument, NULL, '0' },
  { "arg-file", required_argument, NULL, 'a' },
  { "steps", optional_argument, NULL, OPTION_STEPS },
  { "version", no_argument, NULL, OPTION_VERSION },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static const char help[] =
  "Usage: parallel-glib [OPTION...] COMMAND [ARGUMENT...] [::: INPUT...]\n"
  "       parallel-glib [OPTION...] --steps[=FILE]\n"
  "\n"
  "Runs COMMAND once for each input, several at a time, and prints what they write in\n"
  "the order of the inputs. The inputs come from the standard input, a line each, unless\n"
  "they follow \":::\". {} in COMMAND or an ARGUMENT stands for the input; where there is\n"
  "none, the input becomes the last argument. With --steps each line is a shell command.\n"
  "\n"
  "  -j, --max-parallel=N      run N steps at a time (default, and 0: the processors)\n"
  "      --halt-on-error       stop everything at the first failure\n"
  "      --timeout=SECONDS     stop a step that takes longer\n"
  "      --silence-timeout=SECONDS\n"
  "                            stop a step that writes nothing for so long\n"
  "      --exit-timeout=SECONDS\n"
  "                            stop a step that does not end for so long after its output\n"
  "      --backtraces          ask a debugger too what a step over a limit is doing\n"
  "      --kill-grace=SECONDS  how long a step that is to stop has before it is killed (5)\n"
  "      --term-seq=SEQUENCE   how a step is stopped: signals, with milliseconds between\n"
  "                            them, as in INT,200,TERM,2000,KILL\n"
  "      --containment=HOW     group (default): a step is its process group; tree: nothing\n"
  "                            that a step has started outlives it\n"
  "      --max-attempts=N      try each step up to N times\n"
  "\n"
  "      --output=MODE         ordered (default), finished (each step when it ends),\n"
  "                            tagged (live, the input before each line), none\n"
  "      --hold                print nothing before all inputs are read\n"
  "      --progress            show a bar, if the standard error is a terminal\n"
  "\n"
  "  -0, --null                inputs end with NUL, not with a newline\n"
  "  -a, --arg-file=FILE       read the inputs from FILE\n"
  "  -r, --no-run-if-empty     do not run COMMAND once if there is no input at all\n"
  "      --steps[=FILE]        the inputs are shell commands; read them from FILE\n"
  "      --launcher=PREFIX     put the words of PREFIX before COMMAND\n"
  "      --slurm[=OPTIONS]     run the steps on the nodes of Slurm's allocation; OPTIONS are\n"
  "                            salloc's, for an allocation of their own\n"
  "      --ssh=[OPTIONS ]HOST  run the steps on HOST, by ssh\n"
  "      --immediate[=SECONDS] wait so long for Slurm's resources, 0 without SECONDS\n"
  "\n"
  "      --version             print the version and exit\n"
  "      --help                print this and exit\n"
  "\n"
  "Exit status: 0 all steps succeeded, 1 some failed, 2 wrong usage, 128 + N ended by\n"
  "signal N. SIGUSR1 makes it say what it is doing. See parallel-glib(1).\n";

void
shell_message (const char *format,
               ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  /* Not g_printerr(), which would convert bytes that have no encoding. */
  fprintf (stderr, "parallel-glib: %s\n", text);
}

static gboolean
parse_count (const char *option,
             const char *text,
             guint       min,
             guint       max,
             guint      *count)
{
  g_autoptr (GError) error = NULL;
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, min, max, &number, &error))
    {
      shell_message ("%s: '%s' is not a number from %u to %u", option, text, min, max);
      return FALSE;
    }

  *count = (guint) number;
  return TRUE;
}

static gboolean
parse_seconds (const char *option,
               const char *text,
               double     *seconds)
{
  char *end;

  /* Digits first: strtod also takes names, signs and white space. */
  if (g_ascii_isdigit (text[0]) || (text[0] == '.' && g_ascii_isdigit (text[1])))
    {
      *seconds = g_ascii_strtod (text, &end);
      if (*end == '\0' && *seconds <= MAX_SECONDS)
        return TRUE;
    }

  shell_message ("%s: '%s' is not a number of seconds from 0 to %.0f", option, text, MAX_SECONDS);
  return FALSE;
}

static gboolean
parse_output_mode (const char         *text,
                   ParallelOutputMode *mode)
{
  static const struct { const char *name; ParallelOutputMode mode; } modes[] =
  {
    { "ordered", PARALLEL_OUTPUT_MODE_ORDERED },
    { "finished", PARALLEL_OUTPUT_MODE_FINISHED },
    { "tagged", PARALLEL_OUTPUT_MODE_TAGGED },
    { "none", PARALLEL_OUTPUT_MODE_NONE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    if (strcmp (text, modes[i].name) == 0)
      {
        *mode = modes[i].mode;
        return TRUE;
      }

  shell_message ("--output: '%s' is not one of ordered, finished, tagged, none", text);
  return FALSE;
}

static gboolean
parse_containment (const char          *text,
                   ParallelContainment *containment)
{
  if (strcmp (text, "group") == 0)
    *containment = PARALLEL_CONTAINMENT_GROUP;
  else if (strcmp (text, "tree") == 0)
    *containment = PARALLEL_CONTAINMENT_TREE;
  else
    {
      shell_message ("--containment: '%s' is not one of group, tree", text);
      return FALSE;
    }

  return TRUE;
}

/* Only the library knows what is one, and it must be known before anything is read or run. */
static gboolean
parse_term_seq (const char  *text,
                const char **term_seq)
{
  static const char * const nothing[] = { "true", NULL };
  g_autoptr (ParallelStep) step = parallel_step_new (parallel_command_task_new (nothing), NULL);
  g_autoptr (GError) error = NULL;

  if (!parallel_step_set_stop_sequence (step, text, &error))
    {
      shell_message ("--term-seq: %s", error->message);
      return FALSE;
    }

  *term_seq = text;
  return TRUE;
}

/* As a shell splits them. */
static gboolean
parse_words (const char   *option,
             const char   *text,
             char       ***words)
{
  g_autoptr (GError) error = NULL;
  char **parsed;

  if (!g_shell_parse_argv (text, NULL, &parsed, &error))
    {
      shell_message ("%s: %s", option, error->message);
      return FALSE;
    }

  g_strfreev (*words);
  *words = parsed;
  return TRUE;
}

static gboolean
parse_slurm (const char   *text,
             char       ***options)
{
  if (text != NULL)
    return parse_words ("--slurm", text, options);

  g_strfreev (*options);
  *options = g_new0 (char *, 1);
  return TRUE;
}

static gboolean
parse_launcher (const char   *text,
                char       ***launcher)
{
  g_auto (GStrv) words = NULL;

  if (!parse_words ("--launcher", text, &words))
    return FALSE;

  /* It would be left as it is, and the program would not start on what was meant. */
  for (guint i = 0; words[i] != NULL; i++)
    if (strstr (words[i], "{}") != NULL)
      {
        shell_message ("--launcher: {} is only replaced in COMMAND and its arguments");
        return FALSE;
      }

  g_clear_pointer (launcher, g_strfreev);
  *launcher = g_steal_pointer (&words);
  return TRUE;
}

static gboolean
set_file (ShellOptions *self,
          const char   *file)
{
  if (self->file != NULL)
    {
      shell_message ("The inputs can be read from one file only, '%s' or '%s'", self->file, file);
      return FALSE;
    }

  self->file = file;
  return TRUE;
}

static gboolean
parse_flag (ShellOptions *self,
            int           option)
{
  switch (option)
    {
    case '0':
      self->separator = '\0';
      return TRUE;

    case 'r':
      self->no_run_if_empty = TRUE;
      return TRUE;

    case OPTION_HALT_ON_ERROR:
      self->halt_on_error = TRUE;
      return TRUE;

    case OPTION_BACKTRACES:
      self->backtraces = TRUE;
      return TRUE;

    case OPTION_HOLD:
      self->hold = TRUE;
      return TRUE;

    case OPTION_PROGRESS:
      self->progress = TRUE;
      return TRUE;

    default:
      /* getopt has said what is wrong. */
      return FALSE;
    }
}

static gboolean
parse_option (ShellOptions *self,
              int           option,
              const char   *argument)
{
  switch (option)
    {
    case 'j':
      return parse_count ("--max-parallel", argument, 0, MAX_PARALLEL, &self->max_parallel);

    case 'a':
      return set_file (self, argument);

    case OPTION_TIMEOUT:
      return parse_seconds ("--timeout", argument, &self->timeout);

    case OPTION_SILENCE_TIMEOUT:
      return parse_seconds ("--silence-timeout", argument, &self->silence_timeout);

    case OPTION_EXIT_TIMEOUT:
      return parse_seconds ("--exit-timeout", argument, &self->exit_timeout);

    case OPTION_KILL_GRACE:
      return parse_seconds ("--kill-grace", argument, &self->kill_grace);

    case OPTION_TERM_SEQ:
      return parse_term_seq (argument, &self->term_seq);

    case OPTION_CONTAINMENT:
      return parse_containment (argument, &self->containment);

    case OPTION_MAX_ATTEMPTS:
      return parse_count ("--max-attempts", argument, 1, G_MAXINT, &self->max_attempts);

    case OPTION_OUTPUT:
      return parse_output_mode (argument, &self->output_mode);

    case OPTION_LAUNCHER:
      return parse_launcher (argument, &self->launcher);

    case OPTION_SLURM:
      return parse_slurm (argument, &self->slurm);

    case OPTION_SSH:
      return parse_words ("--ssh", argument, &self->ssh);

    case OPTION_IMMEDIATE:
      self->immediate = 0;
      return argument == NULL || parse_seconds ("--immediate", argument, &self->immediate);

    case OPTION_STEPS:
      self->steps = TRUE;
      return argument == NULL || set_file (self, argument);

    default:
      return parse_flag (self, option);
    }
}

/* The words up to ":::" are the command, those after it the inputs. */
static gboolean
split_words (ShellOptions  *self,
             char         **words)
{
  guint n = 0;

  while (words[n] != NULL && strcmp (words[n], INPUTS_MARK) != 0)
    n++;

  if (words[n] != NULL)
    {
      self->inputs = g_strdupv (words + n + 1);
      if (g_strv_contains ((const char * const *) self->inputs, INPUTS_MARK))
        {
          shell_message ("':::' can be given only once");
          return FALSE;
        }
    }

  if (n > 0)
    {
      self->command = g_new0 (char *, n + 1);
      for (guint i = 0; i < n; i++)
        self->command[i] = g_strdup (words[i]);
    }

  return TRUE;
}

static gboolean
check (ShellOptions *self)
{
  if (self->command == NULL && !self->steps)
    shell_message ("There is no COMMAND; to run a list of commands use --steps");
  else if (self->command != NULL && self->steps)
    shell_message ("--steps takes no COMMAND ('%s'); a file is given as --steps=FILE",
                   self->command[0]);
  else if (self->slurm != NULL && self->ssh != NULL)
    shell_message ("The steps run either on Slurm's nodes (--slurm) or on a host (--ssh)");
  else if (self->immediate >= 0 && self->slurm == NULL)
    shell_message ("--immediate is for the resources of Slurm, with --slurm");
  else if (self->inputs != NULL && self->file != NULL)
    shell_message ("The inputs come either from the file '%s' or from behind ':::'", self->file);
  else
    return TRUE;

  return FALSE;
}

static gboolean
answer (const char *text,
        int        *exit_status)
{
  *exit_status = 0;
  if (fputs (text, stdout) < 0 || fflush (stdout) != 0)
    {
      shell_message ("The standard output cannot be written: %s", g_strerror (errno));
      *exit_status = SHELL_EXIT_FAILURES;
    }

  return FALSE;
}

gboolean
shell_options_parse (ShellOptions  *self,
                     int            argc,
                     char         **argv,
                     int           *exit_status)
{
  static char name[] = "parallel-glib";
  gboolean valid = TRUE;
  int option;

  *self = (ShellOptions) {
    .max_attempts = 1,
    .kill_grace = -1,
    .immediate = -1,
    .containment = PARALLEL_CONTAINMENT_GROUP,
    .output_mode = PARALLEL_OUTPUT_MODE_ORDERED,
    .separator = '\n',
  };

  /* getopt's messages begin with it, and it may be a path. */
  if (argc > 0)
    argv[0] = name;

  while (valid && (option = getopt_long (argc, argv, short_options, long_options, NULL)) != -1)
    {
      if (option == OPTION_HELP)
        return answer (help, exit_status);
      if (option == OPTION_VERSION)
        return answer ("parallel-glib " PARALLEL_VERSION_S "\n", exit_status);
      valid = parse_option (self, option, optarg);
    }

  if (valid && split_words (self, argv + optind) && check (self))
    return TRUE;

  fputs ("Try 'parallel-glib --help'.\n", stderr);
  *exit_status = SHELL_EXIT_USAGE;
  return FALSE;
}

void
shell_options_clear (ShellOptions *self)
{
  g_clear_pointer (&self->launcher, g_strfreev);
  g_clear_pointer (&self->slurm, g_strfreev);
  g_clear_pointer (&self->ssh, g_strfreev);
  g_clear_pointer (&self->command, g_strfreev);
  g_clear_pointer (&self->inputs, g_strfreev);
}
