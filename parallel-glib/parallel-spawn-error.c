/* parallel-spawn-error.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spawn-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's limits for one argument or variable, and for all of them where the stack limit
 * says nothing else: MAX_ARG_STRLEN and ARG_MAX, which no header has, and three quarters of the
 * default stack. */
#define MAX_ARGUMENT_SIZE  (128 * 1024)
#define MIN_ARGUMENTS_SIZE (128 * 1024)
#define MAX_ARGUMENTS_SIZE (6 * 1024 * 1024)

static char *
join_cwd (const char *path,
          const char *cwd)
{
  if (cwd == NULL || g_path_is_absolute (path))
    return g_strdup (path);

  return g_build_filename (cwd, path, NULL);
}

int
parallel_spawn_check_program (const char *path,
                              const char *cwd)
{
  g_autofree char *joined = join_cwd (path, cwd);
  struct stat info;

  if (stat (joined, &info) != 0)
    return errno;
  if (S_ISDIR (info.st_mode))
    return EISDIR;
  if (!S_ISREG (info.st_mode))
    return EACCES;

  return faccessat (AT_FDCWD, joined, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* Looks for @name in @search as execvp() does: what may not be executed is passed over, but
 * remembered. */
static char *
search_path (const char *name,
             const char *search,
             const char *cwd,
             int        *code)
{
  g_auto (GStrv) folders = g_strsplit (search[0] != '\0' ? search : ".", ":", -1);

  *code = ENOENT;
  for (gsize i = 0; folders[i] != NULL; i++)
    {
      const char *in = folders[i][0] != '\0' ? folders[i] : ".";
      g_autofree char *path = g_build_filename (in, name, NULL);
      int found = parallel_spawn_check_program (path, cwd);

      if (found == 0)
        {
          *code = 0;
          return g_steal_pointer (&path);
        }
      if (found == EACCES || (found == EISDIR && *code == ENOENT))
        *code = found;
    }

  return NULL;
}

char *
parallel_spawn_find_program (const ParallelSpawnRequest *request,
                             int                        *code)
{
  const char *name = request->argv[0];
  const char *search;

  if (strchr (name, '/') != NULL)
    {
      *code = parallel_spawn_check_program (name, request->cwd);
      return *code == 0 ? g_strdup (name) : NULL;
    }

  *code = ENOENT;
  if (name[0] == '\0')
    return NULL;

  if (request->env != NULL)
    search = g_environ_getenv ((char **) request->env, "PATH");
  else
    search = g_getenv ("PATH");

  return search_path (name, search != NULL ? search : "/bin:/usr/bin", request->cwd, code);
}

gboolean
parallel_spawn_check_cwd (const char  *cwd,
                          GError     **error)
{
  struct stat info;
  int code = 0;

  if (cwd == NULL)
    return TRUE;

  if (stat (cwd, &info) != 0)
    code = errno;
  else if (!S_ISDIR (info.st_mode))
    code = ENOTDIR;
  else if (faccessat (AT_FDCWD, cwd, X_OK, AT_EACCESS) != 0)
    code = errno;

  if (code != 0)
    g_propagate_error (error, parallel_spawn_error_for_cwd (cwd, code));

  return code == 0;
}

GError *
parallel_spawn_error_new (GSpawnError  code,
                          const char  *program,
                          const char  *format,
                          ...)
{
  g_autofree char *name = g_filename_display_name (program);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  return g_error_new (G_SPAWN_ERROR, code, "The program “%s” %s", name, text);
}

/* The interpreter that the first line of the file names, or NULL if there is no such line. */
static char *
read_interpreter (const char *path)
{
  char line[256];
  gssize length = -1;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd >= 0)
    {
      length = read (fd, line, sizeof line - 1);
      close (fd);
    }
  if (length < 3 || line[0] != '#' || line[1] != '!')
    return NULL;

  line[length] = '\0';
  line[2 + strcspn (line + 2, "\n")] = '\0';
  g_strchug (line + 2);
  line[2 + strcspn (line + 2, " \t")] = '\0';

  return g_utf8_make_valid (line + 2, -1);
}

/* The program is there, and yet the kernel says that it, or what is needed to run it, is not. */
static GError *
error_for_interpreter (const char *name,
                       const char *path)
{
  g_autofree char *interpreter = read_interpreter (path);

  if (interpreter == NULL)
    return parallel_spawn_error_new (G_SPAWN_ERROR_NOENT, name,
                                     "cannot be run: the loader that it was linked for does not "
                                     "exist here; it may be made for another system");

  if (g_str_has_suffix (interpreter, "\r"))
    {
      interpreter[strlen (interpreter) - 1] = '\0';
      return parallel_spawn_error_new (G_SPAWN_ERROR_NOENT, name,
                                       "cannot be run: its first line ends with a carriage return, "
                                       "so that its interpreter “%s” is not found; convert the "
                                       "file to Unix line ends",
                                       interpreter);
    }

  return parallel_spawn_error_new (G_SPAWN_ERROR_NOENT, name,
                                   "cannot be run: its interpreter “%s” does not exist",
                                   interpreter);
}

static GError *
error_for_missing (const ParallelSpawnRequest *request)
{
  const char *name = request->argv[0];
  int code;
  g_autofree char *found = parallel_spawn_find_program (request, &code);

  if (found != NULL)
    {
      g_autofree char *path = join_cwd (found, request->cwd);

      return error_for_interpreter (name, path);
    }

  return parallel_spawn_error_new (G_SPAWN_ERROR_NOENT, name,
                                   strchr (name, '/') != NULL ? "does not exist"
                                                              : "was not found in PATH");
}

static void
add_sizes (const char * const *strings,
           gsize              *total,
           gsize              *longest)
{
  for (gsize i = 0; strings[i] != NULL; i++)
    {
      gsize size = strlen (strings[i]) + 1;

      *total += size + sizeof (char *);
      *longest = MAX (*longest, size);
    }
}

/* As the kernel reckons: a quarter of the stack, within bounds. */
static gsize
get_arguments_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_STACK, &limit) != 0)
    return MIN_ARGUMENTS_SIZE;

  return CLAMP (limit.rlim_cur / 4, MIN_ARGUMENTS_SIZE, MAX_ARGUMENTS_SIZE);
}

static GError *
error_for_size (const ParallelSpawnRequest *request)
{
  g_auto (GStrv) inherited = request->env == NULL ? g_get_environ () : NULL;
  const char * const *env = request->env != NULL ? request->env : (const char * const *) inherited;
  gsize total = 0;
  gsize longest = 0;

  add_sizes (request->argv, &total, &longest);
  add_sizes (env, &total, &longest);

  if (longest > MAX_ARGUMENT_SIZE)
    return parallel_spawn_error_new (G_SPAWN_ERROR_TOO_BIG, request->argv[0],
                                     "cannot be started: an argument or a variable of its "
                                     "environment has %" G_GSIZE_FORMAT " bytes, and the system "
                                     "allows %d; hand it over in a file or on standard input",
                                     longest, MAX_ARGUMENT_SIZE);

  return parallel_spawn_error_new (G_SPAWN_ERROR_TOO_BIG, request->argv[0],
                                   "cannot be started: its arguments and environment have %"
                                   G_GSIZE_FORMAT " bytes, and the system allows %"
                                   G_GSIZE_FORMAT " (a quarter of the stack limit, ulimit -s, "
                                   "up to 6 MiB); hand them over in a file or on standard input",
                                   total, get_arguments_limit ());
}

static GError *
error_for_descriptors (const char *name,
                       int         code)
{
  struct rlimit limit = { 0 };

  if (code == ENFILE)
    return parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, name,
                                     "cannot be started: the system's limit of open files is "
                                     "reached; run fewer steps at once, or raise fs.file-max");

  getrlimit (RLIMIT_NOFILE, &limit);
  return parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, name,
                                   "cannot be started: the limit of %" G_GUINT64_FORMAT " open "
                                   "file descriptors is reached; run fewer steps at once, or raise "
                                   "the limit (ulimit -n)",
                                   (guint64) limit.rlim_cur);
}

static const struct
{
  int         code;
  GSpawnError error;
  const char *text;         /* what happened, and what can be done */
} spawn_errors[] = {
  { EACCES, G_SPAWN_ERROR_ACCES,
    "may not be executed: make it and its interpreter executable (chmod +x), on a file system that "
    "allows programs" },
  { EPERM, G_SPAWN_ERROR_PERM, "may not be executed: the system does not permit it" },
  { EAGAIN, G_SPAWN_ERROR_FORK,
    "cannot be started: the limit of processes is reached; run fewer steps at once, or raise the "
    "limit (ulimit -u)" },
  { ENOMEM, G_SPAWN_ERROR_NOMEM,
    "cannot be started: there is not enough memory; run fewer steps at once" },
  { ENOEXEC, G_SPAWN_ERROR_NOEXEC,
    "cannot be run: it is damaged, or made for another kind of processor" },
  { ENAMETOOLONG, G_SPAWN_ERROR_NAMETOOLONG, "cannot be run: its name is too long" },
  { ENOTDIR, G_SPAWN_ERROR_NOTDIR, "does not exist: a part of its path is not a folder" },
  { ELOOP, G_SPAWN_ERROR_LOOP, "cannot be run: its path has too many symbolic links" },
  { ETXTBSY, G_SPAWN_ERROR_TXTBUSY, "cannot be run: it is still open for writing" },
  { EIO, G_SPAWN_ERROR_IO, "cannot be run: it cannot be read completely, or is damaged" },
  { EINVAL, G_SPAWN_ERROR_INVAL, "cannot be run: it is damaged; it asks for more than one loader" },
  { EISDIR, G_SPAWN_ERROR_ISDIR, "is a folder, not a program" },
  { ELIBBAD, G_SPAWN_ERROR_LIBBAD,
    "cannot be run: its loader is damaged, or made for another kind of processor" },
};

GError *
parallel_spawn_error_for_errno (const ParallelSpawnRequest *request,
                                int                         code)
{
  const char *name = request->argv[0];

  if (code == ENOENT)
    return error_for_missing (request);
  if (code == E2BIG)
    return error_for_size (request);
  if (code == EMFILE || code == ENFILE)
    return error_for_descriptors (name, code);

  for (gsize i = 0; i < G_N_ELEMENTS (spawn_errors); i++)
    {
      if (spawn_errors[i].code == code)
        return parallel_spawn_error_new (spawn_errors[i].error, name, "%s", spawn_errors[i].text);
    }

  return parallel_spawn_error_new (G_SPAWN_ERROR_FAILED, name, "cannot be run: %s",
                                   g_strerror (code));
}

GError *
parallel_spawn_error_for_cwd (const char *cwd,
                              int         code)
{
  g_autofree char *name = g_filename_display_name (cwd);

  if (code == ENOENT)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR,
                        "The working directory “%s” does not exist", name);
  if (code == ENOTDIR)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR,
                        "The working directory “%s” is not a folder", name);

  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_CHDIR,
                      "The working directory “%s” cannot be entered: %s", name,
                      g_strerror (code));
}
