/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/modules.h"

#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/safe_text.h"

#define MODULES_MAX 64
#define NAME_SIZE   48

struct module { /* an executable mapping */
	uintptr_t start, end;
	uintptr_t base; /* by how much the addresses in its file are moved */
	char name[NAME_SIZE];
};

static struct module modules[MODULES_MAX];
static size_t count;

size_t modules_read(uintptr_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)address, size};
	long n = syscall(SYS_process_vm_readv, (long)getpid(), &local, 1UL, &remote, 1UL, 0UL);

	return n > 0 ? (size_t)n : 0;
}

/* ---- Parsing: "start-end perms offset device inode    path" ---- */

struct parser {
	int fd;
	char buffer[1024];
	size_t at, size;
	uintptr_t file_base; /* of the file that the latest mappings are of */
	char file[NAME_SIZE];
};

static int next_byte(struct parser *parser)
{
	ssize_t n;

	if (parser->at == parser->size) {
		n = read(parser->fd, parser->buffer, sizeof(parser->buffer));
		if (n <= 0)
			return -1;
		parser->at = 0;
		parser->size = (size_t)n;
	}
	return (unsigned char)parser->buffer[parser->at++];
}

static int hex_digit(int byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Up to the byte behind it, which is dropped. */
static uintptr_t read_hex(struct parser *parser)
{
	uintptr_t number = 0;
	int digit;

	while ((digit = hex_digit(next_byte(parser))) >= 0)
		number = number << 4 | (unsigned)digit;
	return number;
}

/* The last part of the path, as far as there is room; "" if there is none. False: the end. */
static bool read_name(struct parser *parser, char name[NAME_SIZE])
{
	size_t used = 0;
	int byte, field = 0; /* offset, device, inode stand before it */

	while ((byte = next_byte(parser)) >= 0 && byte != '\n') {
		if (field < 3) {
			field += byte == ' ';
			continue;
		}
		if (byte == '/')
			used = 0;
		else if (byte != ' ' && used < NAME_SIZE - 1)
			name[used++] = (char)byte;
	}
	name[used] = '\0';
	return byte >= 0;
}

/* Does an image begin there that cannot be moved? */
static bool is_fixed(uintptr_t start)
{
	ElfW(Ehdr) header;

	return modules_read(start, &header, sizeof(header)) == sizeof(header) &&
	       memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_type == ET_EXEC;
}

static bool read_mapping(struct parser *parser)
{
	char name[NAME_SIZE], permissions[4] = "";
	uintptr_t start = read_hex(parser), end = read_hex(parser);
	bool is_whole;

	for (int i = 0; i < 4; i++)
		permissions[i] = (char)next_byte(parser);
	next_byte(parser);
	is_whole = read_name(parser, name);
	if (strcmp(name, parser->file) != 0) {
		memcpy(parser->file, name, sizeof(name));
		parser->file_base = permissions[0] == 'r' && is_fixed(start) ? 0 : start;
	}
	if (permissions[2] == 'x' && end > start) {
		struct module *module = &modules[count++];

		module->start = start;
		module->end = end;
		module->base = parser->file_base;
		memcpy(module->name, name, sizeof(name));
	}
	return is_whole;
}

void modules_load(void)
{
	struct parser parser;

	count = 0;
	parser.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (parser.fd < 0)
		return;
	parser.at = parser.size = 0;
	parser.file[0] = '\0';
	parser.file_base = 0;
	while (count < MODULES_MAX && read_mapping(&parser))
		;
	close(parser.fd);
}

/* ---- Looking up ---- */

static const struct module *find(uintptr_t address)
{
	for (size_t i = 0; i < count; i++)
		if (address >= modules[i].start && address < modules[i].end)
			return &modules[i];
	return NULL;
}

bool modules_is_code(uintptr_t address)
{
	return find(address) != NULL;
}

void modules_write(struct safe_text *text, uintptr_t address)
{
	const struct module *module = find(address);

	if (!module)
		return;
	safe_text_add(text, " ");
	safe_text_add(text, *module->name ? module->name : "?");
	safe_text_add(text, "+");
	safe_text_hex(text, address - module->base);
}
