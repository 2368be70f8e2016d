/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/first_stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/random.h"
#include "base/sys.h"
#include "module/platform.h"
#include "wire/bootstrap.h"

#define HELLO  "MITO000"
#define NEXT   "MITO002"
#define FAILED "MITO003"

#define CUT_SHORT "what was sent has ended too early"

/* ---- The command ---- */

/* As a shell must that leaves the rest to others, it reads byte by byte; half a line is not run. */
#define READ_AND_RUN "IFS= read -r s&&eval \"$s\""

/* MITO is for the script. */
#define COMMAND "MITO=`uname -sm`;echo;echo " HELLO " $MITO;" READ_AND_RUN
/* This one reads the script's first line and no more, which reads the next one as the other does. */
#define COMMAND_PLAIN "echo;echo " HELLO " `uname -sm`;eval \"`dd bs=1 count=26 2>/dev/null`\""

_Static_assert(sizeof(READ_AND_RUN "\n") - 1 == 26, "that is what dd reads");

const char first_stage_command[] = "exec sh -c '" COMMAND "'";
const char *const first_stage_argv[] = {"sh", "-c", COMMAND, NULL};
const char first_stage_command_plain[] = "exec sh -c '" COMMAND_PLAIN "'";
const char *const first_stage_argv_plain[] = {"sh", "-c", COMMAND_PLAIN, NULL};

/* ---- The script ----
 *
 * Four lines: READ_AND_RUN, has_perl, with_perl, without_perl. A shell takes a system call for each byte
 * of a line, so where there is perl, it reads no more than the first two: perl reads the third, and becomes
 * the image without another process but gzip. Whoever gives up before the image runs becomes a shell
 * again, which goes on with what is left to try. It gets as arguments, by these names:
 *
 *   u  what uname says              a  not "": an image was read, the next one has to be asked for
 *   c  the number of memfd_create   e  why what was tried failed
 *   t  the title                    k  not "": python, and what comes before it, was tried
 *   n z i  from a header that was read and whose image was not: size, decoder, platform
 */
#define GO_ON "s=$1;shift;eval \"$s\""

/* clang-format off */

/* In perl; arguments: the size of this, u, c, t. */
static const char with_perl[] =
	"open STDERR,\">&3\";"
	"($u,$c,$t)=@ARGV;"
	"$|=1;"
	"$s=q(" READ_AND_RUN ");"
	"sub go_on{"
		"exec qw(sh -c),q(" GO_ON "),\"sh\",$s,$u,$c,$t,$a,\"memfd through perl: @_\";"
		"exit 1"
	"}"
	"$SIG{__DIE__}=\\&go_on;"
	"sub cut_short{print \"" FAILED " " CUT_SHORT "\\n\";exit 1}"
	"-e \"/proc/self/fd\"||go_on(\"there is no /proc\");"
	"$c||go_on(\"not known for $u\");"
	/* 16 is MFD_EXEC, which old kernels do not know: EINVAL. New ones can insist on it, or refuse it. */
	"$f=syscall $c+0,$t,16;"
	"$f<0&&$!==22&&($f=syscall $c+0,$t,0);"
	"$f<0&&go_on($!);"
	"open M,\">&=$f\";"
	"$s=<STDIN>;"
	/* Who is to be executed would inherit that it is ignored. */
	"$SIG{PIPE}=sub{};"
	"for(;;){"
		"<STDIN>=~/^(\\d+) (\\w+) (\\S+) (.*)\\n/||cut_short;"
		"($n,$z,$i,$p)=($1,$2,$3,$4);"
		"$fits=$p eq\"*\"||index($p,\"|$u|\")>=0;"
		"$pid=0;"
		"$why=\"\";"
		"*O=*M;"
		"if($fits&&$z eq\"gzip\"){"
			"pipe R,W;"
			"defined($pid=fork)||($why=$!);"
			"if(!$why&&!$pid){"
				"open STDIN,\"<&R\";"
				"open STDOUT,\">&M\";"
				"exec qw(gzip -dc);"
				"exit 127"
			"}"
			"close R;"
			"$pid&&(*O=*W)"
		"}"
		"while($n>0){"
			"$r=read STDIN,$b,$n<65536?$n:65536;"
			"$r||cut_short;"
			"$n-=$r;"
			"!$fits||syswrite(O,$b)==$r||($why=\"write: $!\")"
		"}"
		"$a=1;"
		"$x=0;"
		"$pid&&(close(W),waitpid($pid,0),$x=$?);"
		"if($fits&&$x!=127<<8){"
			"$x&&go_on(\"gzip failed\");"
			"$why&&go_on($why);"
			"exec{\"/proc/self/fd/$f\"}$t,\"" BOOTSTRAP_CHILD_MODE "\";"
			"go_on($!)"
		"}"
		"print \"" NEXT " \","
			"$fits?\"raw there is no gzip\""
			":\"gzip the image is for $i, but this is $u\","
			"\"\\n\""
	"}";

/* It becomes perl, which has warnings for who comes with the name of a locale from elsewhere. */
static const char has_perl[] =
	"set -f;"
	"u=${MITO:-`uname -sm`};"
	"case $u in "
		"*\" x86_64\")c=319;;"
		"*\" aarch64\"|*\" riscv64\")c=279;;"
		"*\" armv\"[78]*)c=385;;"
		"*)c=;;"
	"esac;"
	/* Another one may be a wrapper that finds none. */
	"p=/usr/bin/perl;"
	"[ -x $p ]||{ p=perl;perl -e1 </dev/null 2>/dev/null;}||p=;"
	"[ -z \"$p\" ]||exec $p -e '"
		"$n=shift;"
		"while(($l=length)<$n){sysread(STDIN,$_,$n-$l,$l)||exit 1}"
		"eval;die$@"
	"' $b \"$u\" \"$c\" \"$t\" 3>&2 2>/dev/null;"
	"set -- \"$u\" \"$c\" \"$t\" '' 'memfd through perl: there is no perl';"
	"read -r s&&" READ_AND_RUN;

/* Modules come from where Python has them, not first of all from the directory where it is run: that may be
 * anybody's, as may what is in it. */
#define PYTHON_ITS_OWN "sys.path=[x for x in sys.path if x]"

/* Python 2 or 3. Arguments: the script, GO_ON, LC_CTYPE, u, c, t, e, n, z, i. It stands between the ' of a shell and
 * the """ of an exec, since a line cannot hold blocks. */
#define PYTHON \
	"import sys\\n" \
	PYTHON_ITS_OWN "\\n" \
	"import os,signal,zlib,ctypes\\n" \
	"s,g,l,u,c,t,e,n,z,i=sys.argv[1:]\\n" \
	/* It has one of its own idea, where there was none. */ \
	"os.environ.pop(\"LC_CTYPE\",0)\\n" \
	"if l:os.environ[\"LC_CTYPE\"]=l\\n" \
	"a=str()\\n" \
	"try:\\n" \
	" l=ctypes.CDLL(None,use_errno=True)\\n" \
	" f=l.syscall(int(c),b\"mitogen\",16)\\n" \
	" if f<0 and ctypes.get_errno()==22:f=l.syscall(int(c),b\"mitogen\",0)\\n" \
	" if f<0:raise OSError(0,os.strerror(ctypes.get_errno()))\\n" \
	" m=int(n)\\n" \
	" a,n=\"1\",a\\n" \
	" d=b\"\"\\n" \
	" while len(d)<m:\\n" \
	"  b=os.read(0,min(m-len(d),65536))\\n" \
	"  if not b:print(\"" FAILED " " CUT_SHORT "\");sys.exit(1)\\n" \
	"  d+=b\\n" \
	" if z==\"gzip\":d=zlib.decompress(d,31)\\n" \
	" while d:d=d[os.write(f,d):]\\n" \
	" for x in signal.SIGPIPE,signal.SIGXFSZ:signal.signal(x,signal.SIG_DFL)\\n" \
	" os.execv(\"/proc/self/fd/%d\"%f,[t,\"" BOOTSTRAP_CHILD_MODE "\"])\\n" \
	"except Exception:\\n" \
	" x=sys.exc_info()[1]\\n" \
	" e+=\"; memfd through python: \"+(getattr(x,\"strerror\",0) or str(x))\\n" \
	" os.execvp(\"sh\",[\"sh\",\"-c\",g,\"sh\",s,u,c,t,a,e,\"1\",n,z,i])\\n"

#define SIGNALS "HUP INT QUIT PIPE ALRM TERM USR1 USR2"

static const char without_perl[] =
	"u=$1 c=$2 t=$3 a=$4 e=$5 k=$6 n=$7 z=$8 i=$9;"
	"h=;d=1;[ -e /proc/self/fd ]||d=;"
	"w=gzip;command -v gzip >/dev/null||w=raw;"

	/* Notes why something failed. */
	"note(){ e=\"${e:+$e; }$*\";};"
	"fail(){ echo " FAILED " $e;exit 1;};"
	/* That the place $1 is of no use, in the words that a tool had for it: what comes last, but for what
	 * mksh and zsh say after it. */
	"quote(){ q=${q%?E: *};q=${q%: $f};note \"$1: ${q##*: }\";};"

	/* The next n bytes of input. */
	"take(){ head -c $n 2>/dev/null||dd bs=1 count=$n 2>/dev/null;};"

	/* Waits for an image that this machine can use, unless its header was read already. */
	"want(){ "
		"while [ -z \"$n\" ];do "
			"[ -z \"$a\" ]||echo " NEXT " $w $e;"
			"a=1;"
			"read -r n z i p||{ note " CUT_SHORT ";fail;};"
			"case $n in ''|*[!0-9]*)note 'what came is no image';fail;;esac;"
			"case $p in "
			"\\*|*\"|$u|\"*)"
				"[ $z = raw ]||[ $w = gzip ]&&return;"
				"note there is no gzip;;"
			"*)note \"the image is for $i, but this is ${u:-unknown: there is no uname}\";;"
			"esac;"
			"take >/dev/null;"
			"n=;"
		"done;};"

	/* The image itself; all of it is read, even if it cannot be written. */
	"unpack(){ "
		"case $z in "
		"gzip)take|{ gzip -dc||{ cat >/dev/null;false;};};;"
		"*)take|{ cat||{ cat >/dev/null;false;};};;"
		"esac;};"

	/* Has the image written to the file $2 and runs it, in the mode $3. $1: what to call the place. */
	"run(){ "
		"want;"
		"m=$n;"
		"q=$(unpack 2>&1 >\"$2\")||{ n=;quote \"$1\";return;};"
		"n=;"
		"[ $z = gzip ]||[ $(wc -c <\"$2\" 2>/dev/null||echo $m) -eq $m ]||{ note \"$1: " CUT_SHORT "\";return;};"
		"trap '[ \"$d\" ]||rm -f \"$f\";note the image cannot be executed;fail' EXIT;"
		"[ -z \"$3\" ]||trap '' " SIGNALS ";"
		/* ksh93 has not waited for all of a pipeline. */
		"wait;"
		"exec \"$2\" " BOOTSTRAP_CHILD_MODE " $3;};"

	/* Is the directory $1 ours, or root's, where nobody else can touch what is ours? */
	"safe(){ "
		"o=;"
		"[ -O \"$1\" ]&&o=1;"
		"set -- $(ls -ldn \"$1/.\" 2>/dev/null);"
		"case $1 in "
		"d????????[tT]*)[ \"$o\" ]||[ $3 = 0 ];;"
		"d????w*|d???????w*)false;;"
		"*)[ \"$o\" ];;"
		"esac;};"

	/* Tries the directory $1. The shell takes an empty file for a program: 126 is that it may not
	 * be executed; busybox without /proc fails in another way. */
	"try(){ "
		"case $1 in /*);;*)return;;esac;"
		"case \"|$h|\" in *\"|$1|\"*)return;;esac;"
		"h=\"$h|$1\";"
		"[ -d \"$1\" ]||{ note \"$1: there is no such directory\";return;};"
		"safe \"$1\"||{ note \"$1: it is neither ours alone nor root's and sticky\";return;};"
		"f=$1/" BOOTSTRAP_FILE "$r;"
		"trap '' " SIGNALS ";"
		"if ! q=$( (umask 77;set -C;: >\"$f\") 2>&1);then "
			"quote \"$1\";"
		"elif chmod 700 \"$f\";\"$f\" 2>/dev/null;[ $? = 126 ];then "
			"rm -f \"$f\";"
			"note \"$1: programs may not be executed there (noexec)\";"
		"elif [ \"$d\" ];then "
			"{ rm -f \"$f\";trap - " SIGNALS ";run \"$1\" /proc/self/fd/9;} 9<\"$f\";"
		"else "
			"trap 'rm -f \"$f\"' EXIT;"
			"trap 'exit 1' " SIGNALS ";"
			"run \"$1\" \"$f\" " BOOTSTRAP_UNLINK ";"
			"rm -f \"$f\";"
			"trap - EXIT;"
		"fi;"
		"trap - " SIGNALS ";};"

	"command -v head >/dev/null||command -v dd >/dev/null||{ note there is neither head nor dd;fail;};"
	"for x in cat chmod rm;do command -v $x >/dev/null||{ note there is no $x;fail;};done;"
	"if [ -z \"$k\" ];then "
		"k='there is no python that has ctypes';"
		"[ \"$c\" ]||k=\"not known for $u\";"
		"[ \"$d\" ]||k='there is no /proc';"
		"try \"$XDG_RUNTIME_DIR\";"
		"try /dev/shm;"
		"try /run;"
		"[ \"$d\" ]&&[ \"$c\" ]&&"
		"for y in python3 python python2;do "
			"$y -c 'import sys;" PYTHON_ITS_OWN ";import ctypes,zlib' </dev/null 2>/dev/null||continue;"
			"want;"
			"exec $y -c 'exec(\"\"\"" PYTHON "\"\"\")' \"$s\" '" GO_ON "' \"$LC_CTYPE\" \"$u\" \"$c\" \"$t\" \"$e\" \"$n\" \"$z\" \"$i\";"
		"done;"
		"note \"memfd through python: $k\";"
	"fi;"
	"for x in \"$TMPDIR\" /tmp /var/tmp \"$HOME\" \"$PWD\";do try \"$x\";done;"
	"fail";

/* clang-format on */

#define TITLE_MAX 100

/* Only characters that mean nothing to a shell. */
static void write_title(char out[TITLE_MAX], const char *name)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789:./,=@%+_-";

	snprintf(out, TITLE_MAX, "mitogen:%s", name);
	for (char *end = out; *(end += strspn(end, harmless));)
		*end = '_';
}

int first_stage_script(const char *name, char **ret, size_t *ret_size)
{
	size_t size = sizeof(has_perl) + sizeof(with_perl) + sizeof(without_perl) + TITLE_MAX + 100;
	char title[TITLE_MAX];
	char *script = sys.malloc(size);

	if (!script)
		return -1;
	write_title(title, name);
	*ret_size = (size_t)snprintf(
		script, size,
		READ_AND_RUN "\nt='%s';b=%zu;%s\n%s\nr=%08" PRIx32 "%08" PRIx32 ";%s\n", title,
		sizeof(with_perl), has_perl, with_perl, random_u32(), random_u32(), without_perl);
	*ret = script;
	return 0;
}

/* ---- Images ---- */

int first_stage_header(char *out, size_t size, size_t image_size, bool is_gzip,
		       const char *platform)
{
	char unames[64];

	platform_unames(platform, unames, sizeof(unames));
	return snprintf(out, size, "%zu %s %s %s\n", image_size, is_gzip ? "gzip" : "raw", platform,
			unames[0] ? unames : "*");
}

/* ---- Answers ---- */

struct words {
	const char *at, *end;
};

/* Is the next word this one? Then it is taken. */
static bool take_word(struct words *words, const char *word)
{
	size_t size = strlen(word), left = (size_t)(words->end - words->at);

	if (left < size || memcmp(words->at, word, size) != 0 ||
	    (left > size && words->at[size] != ' '))
		return false;
	words->at += left > size ? size + 1 : size;
	return true;
}

/* The next word, escaped. */
static void copy_word(struct words *words, char *out, size_t size)
{
	const char *space = memchr(words->at, ' ', (size_t)(words->end - words->at));
	size_t length = (size_t)((space ? space : words->end) - words->at);

	escape_text(out, size, words->at, length);
	words->at += length + (space ? 1 : 0);
}

static void copy_rest(struct words *words, char *out, size_t size)
{
	escape_text(out, size, words->at, (size_t)(words->end - words->at));
}

void first_stage_parse(const char *line, size_t size, struct first_stage_line *ret)
{
	struct words words = {.at = line, .end = line + size};

	*ret = (struct first_stage_line){.kind = FIRST_STAGE_OTHER};
	while (words.end > line && (words.end[-1] == '\n' || words.end[-1] == '\r'))
		words.end--;
	if (take_word(&words, HELLO)) {
		ret->kind = FIRST_STAGE_HELLO;
		copy_word(&words, ret->system, sizeof(ret->system));
		copy_word(&words, ret->machine, sizeof(ret->machine));
	} else if (take_word(&words, NEXT)) {
		ret->kind = FIRST_STAGE_NEXT;
		ret->wants_raw = take_word(&words, "raw");
		if (!ret->wants_raw)
			take_word(&words, "gzip");
		copy_rest(&words, ret->reason, sizeof(ret->reason));
	} else if (take_word(&words, FAILED)) {
		ret->kind = FIRST_STAGE_FAILED;
		copy_rest(&words, ret->reason, sizeof(ret->reason));
	} else if ((size_t)(words.end - words.at) == strlen(BOOTSTRAP_READY) &&
		   memcmp(words.at, BOOTSTRAP_READY, strlen(BOOTSTRAP_READY)) == 0) {
		ret->kind = FIRST_STAGE_READY;
	}
}
