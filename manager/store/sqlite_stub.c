/*
 * manager/store/sqlite_stub.c - the extensions that Debian builds into SQLite, left out.
 *
 * Why     full text search, R-trees, JSON, dates and two tables of statistics register themselves at start: 400 KB that our fixed
 *         statements (store_sqlite.c) never reach, and parsers that an old or damaged database could reach through its schema.
 *         Debian's library has them in objects of their own, so that defining their entry points here keeps them out, just
 *         as the SQLITE_OMIT options would.
 * Source  SQLite 3.46 main.c, sqlite3BuiltinExtensions[]; func.c, sqlite3RegisterBuiltinFunctions()
 */
#include <sqlite3.h>

/* SQLite's own names; no header has these. */
int sqlite3Fts3Init(sqlite3 *db);
int sqlite3Fts5Init(sqlite3 *db);
int sqlite3RtreeInit(sqlite3 *db);
int sqlite3DbstatRegister(sqlite3 *db);
int sqlite3StmtVtabInit(sqlite3 *db);
int sqlite3JsonTableFunctions(sqlite3 *db);
void sqlite3RegisterJsonFunctions(void);
void sqlite3RegisterDateTimeFunctions(void);

#define EXTENSION(name)             \
	int name(sqlite3 *db)       \
	{                           \
		(void)db;           \
		return SQLITE_OK;   \
	}

EXTENSION(sqlite3Fts3Init)
EXTENSION(sqlite3Fts5Init)
EXTENSION(sqlite3RtreeInit)
EXTENSION(sqlite3DbstatRegister)
EXTENSION(sqlite3StmtVtabInit)
EXTENSION(sqlite3JsonTableFunctions)

void
sqlite3RegisterJsonFunctions(void)
{
}

void
sqlite3RegisterDateTimeFunctions(void)
{
}
