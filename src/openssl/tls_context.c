/* SPDX-License-Identifier: MIT
 * tls_context.c: see tls_context.h. */
#include "openssl/tls_context.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/err.h"

/* For TLS 1.2: forward secrecy and authenticated encryption only. Those of 1.3
 * are all of that kind. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
/* Keys of 112 bits and more: RSA from 2048, no SHA-1 (OpenSSL's levels). */
#define LEVEL 2

/* One line that says what went wrong, for the caller. */
typedef struct {
  char *text;
  size_t size;
} reason_t;

__attribute__((format(printf, 2, 3))) static int say(reason_t reason,
                                                     const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(reason.text, reason.size, format, args);
  va_end(args);
  ERR_clear_error();
  return -EINVAL;
}

static const char *openssl_text(void) {
  const char *text = ERR_reason_error_string(ERR_peek_last_error());
  return text ? text : "no details from OpenSSL";
}

static bool is_pem(mcp_slice_t s) {
  return strstr(s.data, "-----BEGIN ") != NULL;
}

static int read_file(const char *option, const char *path, mcp_buf_t *out,
                     reason_t reason) {
  FILE *file = fopen(path, "rbe");
  struct stat about;
  size_t n = 1;
  if (!file) return say(reason, "%s: %s: %s", option, path, strerror(errno));
  if (fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode)) {
    fclose(file);
    return say(reason, "%s: %s: expected a file, got a folder", option, path);
  }
  while (n > 0 && out->len <= MCP_TLS_FILE_SIZE) {
    if (mcp_buf_reserve(out, BUFSIZ) < 0) break;
    n = fread(out->data + out->len, 1, BUFSIZ, file);
    out->len += n;
  }
  if (ferror(file)) {
    say(reason, "%s: %s: %s", option, path, strerror(errno));
  } else if (out->len > MCP_TLS_FILE_SIZE) {
    say(reason, "%s: %s: larger than the limit for certificates", option, path);
  } else if (n > 0) {
    say(reason, "%s: %s: not enough memory", option, path);
  } else {
    fclose(file);
    return 0;
  }
  fclose(file);
  return -EINVAL;
}

/* Keys with a password are not read: there is no user to ask. */
static int no_password(char *buf, int size, int writing, void *arg) {
  (void)buf, (void)size, (void)writing, (void)arg;
  return -1;
}

/* The text that `given` is, or that is in the file it names. */
static BIO *text_of(const char *option, mcp_slice_t given, mcp_buf_t *file,
                    reason_t reason) {
  BIO *bio;
  if (!is_pem(given)) {
    if (read_file(option, given.data, file, reason) < 0) return NULL;
    given = mcp_buf_slice(file);
  }
  bio = BIO_new_mem_buf(given.len ? given.data : "", (int)given.len);
  if (!bio) say(reason, "%s: not enough memory", option);
  return bio;
}

/* What an option is called in a message: PEM text is not repeated. */
static const char *name_of(mcp_slice_t given) {
  return is_pem(given) ? "the text" : given.data;
}

/* The next certificate: 1, 0 if there is no more, or a code. */
static int next_certificate(BIO *bio, X509 **cert) {
  unsigned long error;
  *cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
  if (*cert) return 1;
  error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM ||
      ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
    return -EINVAL;
  ERR_clear_error();
  return 0;
}

/* --- trust ---------------------------------------------------------------- */

/* Adds the certificates of a file or a text to the trusted ones, and their
 * names to those that are sent to clients. */
static int believe(SSL_CTX *ctx, const char *option, mcp_slice_t given,
                   bool announce, reason_t reason) {
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  mcp_buf_t file = {0};
  BIO *bio = text_of(option, given, &file, reason);
  int code = bio ? 0 : -EINVAL, count = 0;
  while (code == 0) {
    X509 *cert;
    int found = next_certificate(bio, &cert);
    if (found == 0) break;
    if (found < 0) {
      code = say(reason, "%s: %s: certificate %d: %s", option, name_of(given),
                 count + 1, openssl_text());
      break;
    }
    count++;
    if (!X509_STORE_add_cert(store, cert) ||
        (announce && !SSL_CTX_add_client_CA(ctx, cert)))
      code = say(reason, "%s: %s: certificate %d: %s", option, name_of(given),
                 count, openssl_text());
    X509_free(cert);
  }
  if (code == 0 && count == 0)
    code = say(reason, "%s: %s: no certificate found (expected PEM)", option,
               name_of(given));
  BIO_free(bio);
  mcp_buf_deinit(&file);
  return code;
}

/* Is it a name that OpenSSL looks for: eight digits of a hash, a number? */
static bool is_hashed(const char *name) {
  return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] &&
         strspn(name + 9, "0123456789") == strlen(name + 9);
}

static bool is_certificate(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0 ||
                 strcmp(dot, ".cer") == 0);
}

/* A folder. One with hashed names, like the system's, is searched when a
 * certificate is looked up; of any other folder each file is read. Only the
 * names of the latter are sent to clients. */
static int believe_folder(SSL_CTX *ctx, const char *option, const char *path,
                          bool announce, reason_t reason) {
  DIR *folder = opendir(path);
  struct dirent *entry;
  int code = 0, count = 0;
  bool hashed = false;
  if (!folder) return say(reason, "%s: %s: %s", option, path, strerror(errno));
  while (!hashed && (entry = readdir(folder)))
    hashed = is_hashed(entry->d_name);
  if (hashed && !announce) {
    if (!SSL_CTX_load_verify_dir(ctx, path))
      code = say(reason, "%s: %s: %s", option, path, openssl_text());
    closedir(folder);
    return code;
  }
  rewinddir(folder);
  while (code == 0 && (entry = readdir(folder))) {
    mcp_buf_t name = {0};
    if (!is_certificate(entry->d_name)) continue;
    if (mcp_buf_append(&name, path, strlen(path)) < 0 ||
        mcp_buf_append_char(&name, '/') < 0 ||
        mcp_buf_append(&name, entry->d_name, strlen(entry->d_name) + 1) < 0) {
      code = say(reason, "%s: not enough memory", option);
    } else {
      code = believe(ctx, option, mcp_slice(name.data, name.len - 1), announce,
                     reason);
      count++;
    }
    mcp_buf_deinit(&name);
  }
  closedir(folder);
  if (code == 0 && count == 0)
    code =
        say(reason,
            "%s: %s: expected a file ending in .pem, .crt or .cer, found none",
            option, path);
  return code;
}

static int believe_any(SSL_CTX *ctx, const char *option, mcp_slice_t given,
                       bool announce, reason_t reason) {
  struct stat about;
  if (!is_pem(given) && stat(given.data, &about) == 0 && S_ISDIR(about.st_mode))
    return believe_folder(ctx, option, given.data, announce, reason);
  return believe(ctx, option, given, announce, reason);
}

/* --- identity ------------------------------------------------------------- */

/* The first certificate is our own, the others lead from it to its authority.
 */
static int use_chain(SSL_CTX *ctx, mcp_slice_t given, reason_t reason) {
  mcp_buf_t file = {0};
  BIO *bio = text_of("cert", given, &file, reason);
  int code = bio ? 0 : -EINVAL, count = 0;
  while (code == 0) {
    X509 *cert;
    int found = next_certificate(bio, &cert);
    if (found == 0) break;
    if (found < 0) {
      code = say(reason, "cert: %s: certificate %d: %s", name_of(given),
                 count + 1, openssl_text());
      break;
    }
    if (count++ == 0 ? SSL_CTX_use_certificate(ctx, cert) != 1
                     : SSL_CTX_add1_chain_cert(ctx, cert) != 1)
      code = say(reason, "cert: %s: certificate %d: %s", name_of(given), count,
                 openssl_text());
    X509_free(cert);
  }
  if (code == 0 && count == 0)
    code = say(reason, "cert: %s: no certificate found (expected PEM)",
               name_of(given));
  BIO_free(bio);
  mcp_buf_deinit(&file);
  return code;
}

static int use_key(SSL_CTX *ctx, mcp_slice_t given, reason_t reason) {
  mcp_buf_t file = {0};
  BIO *bio = text_of("key", given, &file, reason);
  EVP_PKEY *key;
  int code = 0;
  if (!bio) {
    mcp_buf_deinit(&file);
    return -EINVAL;
  }
  key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
  if (!key)
    code = say(reason,
               "key: %s: no readable private key found "
               "(expected PEM without a password)",
               name_of(given));
  else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
    code = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
               ? say(reason, "key: %s: does not match the certificate",
                     name_of(given))
               : say(reason, "key: %s: %s", name_of(given), openssl_text());
  EVP_PKEY_free(key);
  BIO_free(bio);
  if (file.data) OPENSSL_cleanse(file.data, file.cap);
  mcp_buf_deinit(&file);
  return code;
}

static int use_pair(SSL_CTX *ctx, const mcp_tls_options_t *options,
                    reason_t reason) {
  int code;
  if (!options->cert.len && !options->key.len) return 0;
  /* One file may hold both. */
  if (!options->cert.len) return say(reason, "cert: required with key");
  code = use_chain(ctx, options->cert, reason);
  if (code == 0)
    code =
        use_key(ctx, options->key.len ? options->key : options->cert, reason);
  if (code == 0 && SSL_CTX_check_private_key(ctx) != 1)
    code = say(reason, "key: does not match the certificate");
  return code;
}

/* Tells sessions of this context from those of others, also of what was here
 * before files were read again: by the certificate that is shown and by those
 * that are believed, which must be the same for a session to be resumed. */
static int mark(SSL_CTX *ctx, reason_t reason) {
  const STACK_OF(X509_OBJECT) *believed =
      X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
  X509 *own = SSL_CTX_get0_certificate(ctx);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size;
  int mode = SSL_CTX_get_verify_mode(ctx);
  EVP_MD_CTX *sum = EVP_MD_CTX_new();
  bool ok = sum && EVP_DigestInit_ex2(sum, EVP_sha256(), NULL) &&
            EVP_DigestUpdate(sum, &mode, sizeof mode);
  for (int i = -1; ok && i < sk_X509_OBJECT_num(believed); i++) {
    X509 *cert =
        i < 0 ? own : X509_OBJECT_get0_X509(sk_X509_OBJECT_value(believed, i));
    ok = !cert || (X509_digest(cert, EVP_sha256(), digest, &size) &&
                   EVP_DigestUpdate(sum, digest, size));
  }
  ok = ok && EVP_DigestFinal_ex(sum, digest, &size) &&
       size <= SSL_MAX_SID_CTX_LENGTH &&
       SSL_CTX_set_session_id_context(ctx, digest, size);
  EVP_MD_CTX_free(sum);
  return ok ? 0 : say(reason, "OpenSSL: %s", openssl_text());
}

static int be_server(SSL_CTX *ctx, const mcp_tls_options_t *options,
                     reason_t reason) {
  int code = 0, demand = SSL_VERIFY_PEER;
  if (!options->cert.len) return say(reason, "cert: required for a server");
  if (options->client_ca.len) {
    code = believe_any(ctx, "client_ca", options->client_ca, true, reason);
    if (options->require) demand |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, demand, NULL);
  }
  return code < 0 ? code : mark(ctx, reason);
}

static int be_client(SSL_CTX *ctx, const mcp_tls_options_t *options,
                     reason_t reason) {
  if (!options->verify) return 0;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
  if (options->ca.len)
    return believe_any(ctx, "ca", options->ca, false, reason);
  if (!SSL_CTX_set_default_verify_paths(ctx))
    return say(reason, "system certificates: %s", openssl_text());
  return 0;
}

SSL_CTX *mcp_tls_context_new(const mcp_tls_options_t *options, char *text,
                             size_t size) {
  reason_t reason = {text, size};
  SSL_CTX *ctx;
  int code = 0;
  ERR_clear_error();
  ctx =
      SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
  if (!ctx) {
    say(reason, "OpenSSL: %s", openssl_text());
    return NULL;
  }
  SSL_CTX_set_security_level(ctx, LEVEL);
  if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
      !SSL_CTX_set_max_proto_version(ctx, 0) ||
      !SSL_CTX_set_cipher_list(ctx, CIPHERS))
    code = say(reason, "OpenSSL: %s", openssl_text());
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  /* The system's configuration may have loosened these. */
  SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_LEGACY_SERVER_CONNECT |
                                 SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  /* An idle connection gives its 34 KB of buffers back. */
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  /* What is resumed is in the client's ticket; we keep nothing. */
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(ctx, no_password);
  if (code == 0) code = use_pair(ctx, options, reason);
  if (code == 0)
    code = options->server ? be_server(ctx, options, reason)
                           : be_client(ctx, options, reason);
  if (code < 0) {
    SSL_CTX_free(ctx);
    return NULL;
  }
  return ctx;
}
