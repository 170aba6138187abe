/** Both dialects owe a program the same. */

import { POSTGRES, SQLITE } from "../../testing/sql_dialects.ts";
import { describeSql } from "../../testing/sql-suite.ts";

describeSql(SQLITE);
describeSql(POSTGRES);
