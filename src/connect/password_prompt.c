/* SPDX-License-Identifier: BSD-3-Clause */
#include "connect/password_prompt.h"

#include <string.h>

/* "Password" in the languages of Linux-PAM; behind each comes a colon. */
static const char *const words[] = {
	"Password",    "password",     "Adgangskode", "Contraseña",    "Contrasenya", "Contrasigno",
	"Focal faire", "Hasło",        "Heslo",       "Iphasiwedi",    "Jelszó",      "Lozinka",
	"Lösenord",    "Mot de passe", "Mật khẩu",    "Palavra-passe", "Parola",      "Parole",
	"Parolă",      "Parool",       "Pasahitza",   "Passord",       "Passwort",    "Pasvorto",
	"Salasana",    "Sandi",        "Kata sandi",  "Senha",         "Slaptažodis", "Wachtwoord",
	"Şifrə",       "Лозинка",      "Парола",      "Пароль",        "ססמה",        "סיסמה",
	"كلمة السر",   "गुप्तशब्द",       "शब्दकूट",       "কূটশব্দ",         "গুপ্তশব্দ",      "পাসওয়ার্ড",
	"ਪਾਸਵਰਡ",      "પાસવર્ડ",       "ପ୍ରବେଶ ସଙ୍କେତ", "கடவுச்சொல்",      "సంకేతపదము",    "ಗುಪ್ತಪದ",
	"അടയാളവാക്ക്",   "රහස්පදය",       "හස්පදය",       "პაროლი",        "ពាក្យសម្ងាត់",   "パスワード",
	"密码",        "密碼",         "口令",        "암호",
};

static const char *const blanks[] = {" ", "\xc2\xa0"}; /* the second does not break lines */
static const char *const colons[] = {":", "：", "៖"};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Takes one of these from the end. */
static bool take_end(const char *text, size_t *size, const char *const *ends, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(ends[i]);

		if (length > *size || memcmp(text + *size - length, ends[i], length) != 0)
			continue;
		*size -= length;
		return true;
	}
	return false;
}

bool password_prompt(const char *text, size_t size)
{
	while (take_end(text, &size, blanks, COUNT(blanks)))
		;
	if (!take_end(text, &size, colons, COUNT(colons)))
		return false;
	while (take_end(text, &size, blanks, COUNT(blanks)))
		;
	for (size_t i = 0; i < COUNT(words); i++)
		if (size == strlen(words[i]) && memcmp(text, words[i], size) == 0)
			return true;
	return false;
}
